"""What `train` does: stores and a method -> run folders."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache.atomic import write_bytes
from cache.places import remove_tree
from cache.places.lock import SHORT_WAIT_S, exclusive, lock_path
from pipeline import records
from pipeline.errors import PipelineError, TrainingError
from pipeline.predict.head_folder import HISTORY, RUN, WEIGHTS
from pipeline.progress import OnProgress
from stages.output import say
from stages.requests import TrainRequest
from stages.results import PartialTrainingError, TrainedRun, TrainResult
from stages.workflows.scores_file import drop_stale_scores, score_source
from stages.workflows.sweep import RunSpec
from stages.workflows.train_plan import TrainPlan, plans_of

if TYPE_CHECKING:
    from pipeline.learning.method import FitResult

__all__ = ["train", "train_runs"]


def train(request: TrainRequest, on_progress: OnProgress) -> TrainResult:
    """Check everything, then train what is not up to date; a run folder is written as soon as its head is finished.

    Raises
    ------
    PartialTrainingError
        If numbers of some runs stop being finite: it has the result of the others.
    """
    plans = plans_of(request)
    for line in dict.fromkeys(line for plan in plans for line in plan.notes()):
        say(line)
    for plan in plans:
        _say_reasons(plan)
    if request.dry_run:
        _load_what_is_needed(plans)
        return _result(plans, {})
    finished = {folder: record for plan in plans for folder, record in _restate(plan).items()}
    trained: dict[Path, records.Run] = {}
    try:
        for run, record in train_runs(plans, on_progress):
            trained[run.folder] = record
    except TrainingError as error:
        if not (trained or finished):
            raise
        raise PartialTrainingError(error, _result(plans, finished, trained)) from error
    if request.prune:
        runs = [run for plan in plans for run in plan.runs]
        if not request.grid and plans[0].params.grids(request.method):
            _prune_to_grid(runs)
        else:
            _prune([run for run in runs if run.is_plain])
    if request.curves is not None:
        for plan in plans:
            _copy_histories(plan, request.curves)
    return _result(plans, finished, trained)


def train_runs(plans: Sequence[TrainPlan], on_progress: OnProgress) -> Iterator[tuple[RunSpec, records.Run]]:
    """Train what is pending, write each run folder as its head is finished, and give its record.

    Raises
    ------
    TrainingError
        If numbers of some runs stop being finite, after all others are written: the message names each.
    """
    plans = [plan for plan in plans if plan.pending]
    if not plans:
        return
    from stages.workflows.fitting import fit_groups  # late: it brings torch

    n_finished, n_pending = 0, sum(len(plan.pending) for plan in plans)
    try:
        for group, i, fitted in fit_groups(plans, on_progress):
            n_finished += 1
            plan, run = plans[group], plans[group].pending[i]
            yield run, _write(plan, run, fitted)
    except PipelineError as error:
        if n_pending == 1 or not (n_finished or isinstance(error, TrainingError)):
            raise
        message = f"{error}\n{n_finished} of {n_pending} runs are finished and are kept"
        raise TrainingError(message, remedy=error.remedy, purpose=error.purpose) from error


def _say_reasons(plan: TrainPlan) -> None:
    for run in plan.pending:
        if reason := plan.states[run.folder].reason:
            say(f"{run.folder}: {'would be' if plan.request.dry_run else 'is'} trained again: {reason}")


def _load_what_is_needed(plans: Sequence[TrainPlan]) -> None:
    """A dry run also shows whether the device is there, and the encoder of heads that are a part of it."""
    for plan in plans:
        if plan.pending:
            _ = plan.device, plan.tower


def _result(
    plans: Sequence[TrainPlan],
    finished: Mapping[Path, records.Run],
    trained: Mapping[Path, records.Run] | None = None,
) -> TrainResult:
    """The result with the records of runs that were up to date, and of those that were trained, by their folder."""
    trained = trained or {}
    runs = [
        TrainedRun(folder, trained.get(folder) or finished[folder], is_new=folder in trained)
        for plan in plans
        for folder in (run.folder for run in plan.runs)
        if folder in trained or folder in finished
    ]
    return TrainResult(tuple(run for plan in plans for run in plan.planned()), tuple(runs))


def _restate(plan: TrainPlan) -> dict[Path, records.Run]:
    """The records of the runs that are up to date, each rewritten where the request states something else now."""
    finished = {}
    for run in plan.runs:
        state = plan.states[run.folder]
        if state.record is not None:
            if not state.is_current:
                _rewrite(plan, run)
            finished[run.folder] = state.record
    return finished


def _rewrite(plan: TrainPlan, run: RunSpec) -> None:
    with exclusive(lock_path(run.folder), SHORT_WAIT_S):
        state = plan.state_of(run)  # another process may have trained it meanwhile
        if state.record is not None:
            write_bytes(run.folder / RUN, state.record.as_bytes())


def _copy_histories(plan: TrainPlan, curves: Path) -> None:
    folder = curves / ("" if len(plan.request.dataset) == 1 else plan.dataset)
    for run in plan.runs:
        write_bytes(folder / run.variant / f"{run.folder.name}.csv", (run.folder / HISTORY).read_bytes())


def _write(plan: TrainPlan, run: RunSpec, fitted: FitResult) -> records.Run:
    from pipeline.methods.packing import pack  # late: it brings torch

    state, description = pack(fitted.head)
    history = _csv(fitted.history)
    record = _record(plan, run, fitted, description, _sha256(state), _sha256(history))
    # run.json is last, and names the others by their digests: a reader in between, or after a
    # process was killed, sees that they are not of one run.
    with exclusive(lock_path(run.folder), SHORT_WAIT_S):
        write_bytes(run.folder / WEIGHTS, state)
        write_bytes(run.folder / HISTORY, history)
        write_bytes(run.folder / RUN, record.as_bytes())
        drop_stale_scores(run.folder, score_source(record))
    return record


def _record(
    plan: TrainPlan,
    run: RunSpec,
    fitted: FitResult,
    description: Mapping[str, Any],
    head_sha256: str,
    history_sha256: str,
) -> records.Run:
    from stages.workflows.store_identity import versions  # late: it brings pandas

    fields = plan.identity.fields(run)
    return (records.OwnRun if "method_code" in fields else records.Run).model_validate(
        {
            **fields,
            **plan.statements(),
            "epochs": len(fitted.history),
            "selected_epoch": fitted.selected_epoch,
            "seconds": round(fitted.seconds, 3),
            "together": fitted.ensemble_size,
            "device": plan.device,
            "val": fitted.val.by_metric(),
            "calibration": fitted.calibration.as_json() | {"split": "val"},
            "dropped": dict(fitted.dropped),
            "findings": dict(fitted.diagnostics),
            "versions": versions(),
            "head": dict(description),
            "head_sha256": head_sha256,
            "history_sha256": history_sha256,
        }
    )


def _prune(runs: Sequence[RunSpec]) -> None:
    """Remove the runs of other seeds and folds beside `runs`; a folder that is no run, or of a variant, stays."""
    folders = {run.folder for run in runs}
    for dataset in {run.folder.parents[1 if run.fold else 0] for run in runs}:
        for path in sorted([*dataset.glob("seed-*/run.json"), *dataset.glob("fold-*-of-*/seed-*/run.json")]):
            if path.parent not in folders:
                remove_tree(path.parent)
                say(f"{path.parent}: removed, its seed or fold is not among those that are trained")
                if path.parents[1] != dataset and not any(path.parents[1].iterdir()):
                    path.parents[1].rmdir()


def _prune_to_grid(runs: Sequence[RunSpec]) -> None:
    """Remove every other run of the method on their datasets: params.yaml has all of them, as points of its grids."""
    folders = {run.folder for run in runs}
    for dataset in {run.folder.parents[1] for run in runs}:
        for path in sorted([*dataset.glob("seed-*/run.json"), *dataset.glob("*/seed-*/run.json")]):
            if path.parent not in folders:
                remove_tree(path.parent)
                say(f"{path.parent}: removed, it is no point of the grid of params.yaml, or of another seed")
                if path.parents[1] != dataset and not any(path.parents[1].iterdir()):
                    path.parents[1].rmdir()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _csv(history: list[dict[str, float]]) -> bytes:
    from cache.csv_cells import row_writer  # late: it brings pandas

    names = list(dict.fromkeys(name for row in history for name in row))
    buffer = io.StringIO()
    write = row_writer(buffer)
    write(names)
    for row in history:
        write(row.get(name, "") for name in names)
    return buffer.getvalue().encode()
