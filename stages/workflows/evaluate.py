"""What `evaluate` does: runs and some stores -> scores."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path

from cache.places import remove_tree
from cache.places.links import require_inside
from pipeline.footnotes import DatasetFinding
from pipeline.methods.own import plain_name
from pipeline.predict.head_folder import EXPORTED, RUN
from pipeline.predict.saved import DEFAULT_HEAD, SavedHead, read_saved
from pipeline.progress import OnProgress
from pipeline.records import Score, Scores
from stages.errors import StageError
from stages.names import SCORES
from stages.output import say
from stages.params import load_params
from stages.requests import EvaluateRequest
from stages.results import EvaluateResult, RunScores
from stages.workflows.audit_records import AuditRecords
from stages.workflows.opened_stores import OpenedStores
from stages.workflows.predictions import Scored, has_predictions
from stages.workflows.scorer import Scorer
from stages.workflows.scores_file import kept_scores, read_scores, write_scores
from stages.workspace import heads_below, runs_root, scores_path

__all__ = ["DEFAULT", "evaluate", "runs_below"]

DEFAULT = "default"  # as `--run` names the head that is part of fer-stage


def evaluate(request: EvaluateRequest, _on_progress: OnProgress) -> EvaluateResult:
    """Score every head on every dataset, and write the scores of a head before the next one is scored.

    A score that a file has, and that would be made of the same head and the same rows now, is not made again. Scores of
    an exported head, of one outside its runs folder, and of another split than the protocol's are not written.
    """
    params = load_params(request.params)
    plain_name(request.method or "")
    datasets, split = request.datasets or tuple(params.run.tested), request.split or params.protocol.test_split
    writes = not request.dry_run and split == params.protocol.test_split
    folders = runs_below(request.runs)
    audits = AuditRecords(request.audits, request.tables)
    stores = OpenedStores(request.features)
    scorer = Scorer(stores, params, request.device, exclude_overlap=request.exclude_overlap, audits=audits)
    scored = tuple(
        _score_run(folder, scorer, audits, datasets, split, writes=writes, prune=request.prune) for folder in folders
    )
    if request.prune and writes:
        _prune(request.runs, {run.path for run in scored if run.path})
    found = _audited(scored, audits)
    notes = dict.fromkeys([*(run.note for run in scored if run.note), *scorer.notes, *found, *audits.notes])
    if request.by == "scene" and not any(entry.scenes for run in scored for entry in run.entries):
        raise StageError(
            f"--by scene: expected a dataset whose table has a column scene, as ferv39k, found none in "
            f"{', '.join(datasets)}. Leave --by out, or name another --dataset"
        )
    return EvaluateResult(scored, tuple(notes), request.by)


def _audited(scored: Sequence[RunScores], audits: AuditRecords) -> list[str]:
    """What audits found in the datasets that the heads were trained and scored on: it makes their scores doubtful."""
    datasets = {name for run in scored for name in (run.record.dataset, *(entry.dataset for entry in run.entries))}
    return [f"audit of {finding}" for finding in audits.findings(datasets)]


def _audit_of(run: SavedHead, entry: Score, audits: AuditRecords) -> tuple[DatasetFinding, ...]:
    """What makes a score doubtful: a finding in its dataset, or in the one that the head was trained on."""
    train = run.record.dataset if run.is_trained else None
    findings = audits.findings({name for name in (entry.dataset, train) if name})
    return DatasetFinding.of_score(findings, entry.dataset, train)


def _score_run(
    folder: Path,
    scorer: Scorer,
    audits: AuditRecords,
    datasets: Sequence[str],
    split: str,
    *,
    writes: bool,
    prune: bool,
) -> RunScores:
    path = scores_path(folder)
    written = path if writes else None
    if written:
        require_inside(written, runs_root(written))
    run = read_saved(folder)
    earlier = read_scores(path) if path else Scores()
    known = [score for score in earlier if written is None or has_predictions(written, score)]
    scored, n_new = scorer.score(run, datasets, split, known)
    if written:
        _update(written, run, scored, earlier, only=datasets if prune else None, n_new=n_new)
    elif n_new:
        run.require_current()
    if writes and not path:
        say(f"{folder}: nothing is written: it is no run at RUNS/ENCODER/METHOD/DATASET/[VARIANT/]seed-N")
    entries = [one.record if written else one.score for one in scored]
    audit = tuple(_audit_of(run, entry, audits) for entry in entries)
    return RunScores(folder, run.record, tuple(entries), run.note, written, n_new, audit)


def _update(
    path: Path, run: SavedHead, scored: Sequence[Scored], earlier: Scores, *, only: Sequence[str] | None, n_new: int
) -> None:
    """Write the scores of a head with their predictions, unless its file has these and no others."""
    if not n_new and earlier == kept_scores(earlier, run, only):
        return
    predictions = {one.record.predictions_file: one.data for one in scored if one.predictions}
    if n_dropped := write_scores(run, path, [one.record for one in scored], only, predictions):
        say(f"{path}: {n_dropped} scores of a head that was replaced since were dropped")


def _prune(folders: Sequence[Path], current: Set[Path]) -> None:
    """Remove the scores of runs at and below `folders` that are not there any more."""
    for root in {runs_root(path) for path in current}:
        for folder in folders:
            if not folder.absolute().is_relative_to(root.absolute()):
                continue
            below = root / SCORES / folder.absolute().relative_to(root.absolute())
            for path in sorted(set(below.rglob("scores.json")) - current):
                remove_tree(path.parent)
                say(f"{path}: removed, its run is not there any more")


def runs_below(folders: Sequence[Path]) -> list[Path]:
    """The folders of trained heads among `folders` and below them, each once: runs, or else exported heads.

    Parameters
    ----------
    folders : `default`, where no folder has that name, is the head that is part of fer-stage

    Raises
    ------
    StageError
        If a folder is no head and there is none below it.
    """
    heads: dict[Path, None] = {}
    for named in folders:
        folder = DEFAULT_HEAD if str(named) == DEFAULT and not named.exists() else named
        below = heads_below(folder, RUN) or heads_below(folder, EXPORTED)
        if not below:
            raise StageError(
                f"no trained run at {folder}: expected a folder with {RUN}, with {EXPORTED} (an exported head), or "
                f"with such folders below it. Train a head first, or name another folder; `{DEFAULT}` is the head that "
                "is part of fer-stage"
            )
        heads.update(dict.fromkeys(below))
    return list(heads)
