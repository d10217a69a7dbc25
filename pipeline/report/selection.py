"""Which scores a report is of: those of the runs' own heads, on one split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.report.apart import listed
from pipeline.report.records import RunRecord

__all__ = ["SPLIT_NAMES", "Selection", "select_scores"]

SPLIT_NAMES = {"test": "test", "val": "validation"}


@dataclass(frozen=True)
class Selection:
    """The runs with the scores to show, all of one `split` (empty without any), and in words what was left out."""

    runs: list[RunRecord]
    split: str
    left_out: tuple[str, ...]


def select_scores(runs: Iterable[RunRecord]) -> Selection:
    """Leave out scores of other heads and of other splits: those of the test split are shown, else of validation.

    Notes
    -----
    Validation images selected the epoch: scores on them are too high, and beside test scores would be taken for those.
    """
    runs = list(runs)
    splits = {score.split for run in runs for score in run.scores}
    split = next((name for name in (*SPLIT_NAMES, *sorted(splits)) if name in splits), "")
    chosen = [replace(run, scores=tuple(score for score in run.scores if score.split == split)) for run in runs]
    left_out = [_other_split(runs, other, split) for other in sorted(splits - {split})]
    if stale := [run for run in runs if run.stale]:
        left_out.append(_stale(stale))
    return Selection(chosen, split, tuple(left_out))


def _other_split(runs: Sequence[RunRecord], other: str, split: str) -> str:
    n = [sum(score.split == other for score in run.scores) for run in runs]
    return (
        f"Left out: {_count(sum(n), 'score')} on the {other} split, of {_count(sum(map(bool, n)), 'run')}. "
        f"This report is of the {split} split alone."
    )


def _stale(runs: Sequence[RunRecord]) -> str:
    return (
        f"Left out: {_count(sum(len(run.stale) for run in runs), 'score')} of other heads than those of the runs, or "
        f"by another version of evaluate, in {listed({run.scores_label for run in runs})}. Score the heads again: "
        "fer-stage evaluate --run runs"
    )


def _count(n: int, name: str) -> str:
    return f"{n:,} {name}{'' if n == 1 else 's'}"
