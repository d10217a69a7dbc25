"""The file of a run's scores, and whose scores are in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from cache.atomic import write_bytes
from cache.places.lock import SHORT_WAIT_S, exclusive, lock_path
from pipeline import records
from pipeline.predict.saved import SavedHead
from pipeline.records import Export, Run, Score, Scores, ScoreSource
from pipeline.versions import stage_version
from stages.workspace import run_of_scores, scores_path

__all__ = ["drop_stale_scores", "kept_scores", "read_scores", "score_source", "write_scores"]


def score_source(record: Run | Export) -> ScoreSource:
    """What a score must be made by to be of a head as it is now, scored by this `evaluate`."""
    return ScoreSource(record.run_key, record.head_sha256, stage_version("evaluate"))


def read_scores(path: Path) -> Scores:
    """All scores of a scores.json at its place below RUNS/scores; none if there is no file.

    Raises
    ------
    InputError
        If the file is damaged, or a field is missing, impossible or contradicts another.
    """
    return records.read_scores(path, [("evaluate", {"runs": (str(run_of_scores(path)),)})])


def kept_scores(scores: Scores, run: SavedHead, only: Sequence[str] | None = None) -> Scores:
    """Those of the head as it is now, on datasets of `only`; on all datasets for None."""
    current = scores.of(score_source(run.record))
    return current if only is None else Scores(tuple(score for score in current if score.dataset in only))


def write_scores(
    run: SavedHead,
    path: Path,
    scores: Sequence[Score],
    only: Sequence[str] | None = None,
    predictions: Mapping[str, bytes] = MappingProxyType({}),
) -> int:
    """Put `scores` into a run's scores.json; entries of other datasets and splits stay, those of other heads go.

    The files of their predictions are written before: a file that is not the one that a score states is refused.

    Parameters
    ----------
    predictions : files of new predictions below the folder of scores.json; those of no score are removed
    only : entries of other datasets go, too; None keeps them

    Returns
    -------
    How many entries of a head that was replaced since were dropped.

    Raises
    ------
    InputError
        If the file that is there is damaged.
    MismatchError
        If the run has another head by now: its scores are not written.
    """
    with exclusive(lock_path(path), SHORT_WAIT_S):  # another process may put scores of other datasets into it
        entries = read_scores(path)
        run.require_current()
        for name, data in predictions.items():
            write_bytes(path.parent / name, data)
        current = kept_scores(entries, run, only).updated(scores)
        write_bytes(path, current.as_bytes())
        _drop_predictions(path, current)
    return len(entries) - len(kept_scores(entries, run))


def drop_stale_scores(folder: Path, source: ScoreSource) -> None:
    """Remove the scores of a head that was replaced; those of a head that was trained again to the same stay.

    Parameters
    ----------
    folder : of the run
    source : of the head that was just written; see `score_source`
    """
    path = scores_path(folder)
    if path is None or not path.exists():
        return
    with exclusive(lock_path(path), SHORT_WAIT_S):
        if current := read_scores(path).of(source):
            write_bytes(path, current.as_bytes())
        else:
            path.unlink(missing_ok=True)  # another process may have removed it meanwhile
        _drop_predictions(path, current)


def _drop_predictions(path: Path, scores: Scores) -> None:
    """Remove the files of predictions that no score in scores.json states."""
    stated = {path.parent / score.predictions_file for score in scores}
    for file in path.parent.glob("predictions/*/*.parquet"):
        if file not in stated:
            file.unlink(missing_ok=True)
