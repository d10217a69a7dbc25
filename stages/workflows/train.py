"""What `train` does: a store and a method -> run folders."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cache.atomic import write_bytes
from cache.csv_cells import row_writer
from cache.places import remove_tree
from cache.places.lock import SHORT_WAIT_S, exclusive, lock_path
from pipeline import records
from pipeline.errors import TrainingError
from pipeline.learning.method import FitResult, TrainingInputs
from pipeline.methods import load_method
from pipeline.methods.packing import pack
from pipeline.predict.head_folder import HISTORY, RUN, WEIGHTS
from pipeline.progress import OnProgress
from pipeline.versions import method_version
from stages.output import say
from stages.requests import TrainRequest
from stages.results import PartialTrainingError, TrainResult
from stages.workflows.scores_file import drop_stale_scores, score_source
from stages.workflows.store_identity import versions
from stages.workflows.sweep import RunSpec
from stages.workflows.train_plan import TrainPlan, method_code

__all__ = ["train", "train_runs"]


def train(request: TrainRequest, on_progress: OnProgress) -> TrainResult:
    """Check everything, then train; each run folder is written as soon as its head is finished.

    Raises
    ------
    PartialTrainingError
        If numbers of some runs stop being finite: it has the result of the others.
    """
    plan = TrainPlan.of(request)
    for line in plan.notes():
        say(line)
    trained: dict[Path, records.Run] = {}
    if request.dry_run:
        return plan.result(trained)
    try:
        for run, record in train_runs(plan, on_progress):
            trained[run.folder] = record
    except TrainingError as error:
        if not trained:
            raise
        raise PartialTrainingError(error, plan.result(trained)) from error
    _finish(plan)
    return plan.result(trained)


def train_runs(plan: TrainPlan, on_progress: OnProgress) -> Iterator[tuple[RunSpec, records.Run]]:
    """Train, write each run folder as its head is finished, and give its record.

    Raises
    ------
    TrainingError
        If numbers of some runs stop being finite, after all others are written: the message names each.
    """
    inputs = TrainingInputs(plan.store, plan.classes, plan.text, plan.tower, plan.device, plan.drop_other_labels)
    pairs = [(run.config, run.seed) for run in plan.runs]
    n_finished = 0
    try:
        for i, fitted in load_method(plan.runs[0].config.method).fit_many(inputs, pairs, on_progress):
            n_finished += 1
            yield plan.runs[i], _write(plan, plan.runs[i], fitted)
    except TrainingError as error:
        if len(pairs) == 1:
            raise
        message = f"{error}\n{n_finished} of {len(pairs)} runs are finished and are kept"
        raise TrainingError(message, remedy=error.remedy, purpose=error.purpose) from error


def _finish(plan: TrainPlan) -> None:
    """Once all heads are trained, remove the seeds that are not named, and copy the histories."""
    if plan.prune:
        _prune([run.folder for run in plan.runs if not run.variant])
    if plan.curves is not None:
        for run in plan.runs:
            history = (run.folder / HISTORY).read_bytes()
            write_bytes(plan.curves / run.variant / f"{run.folder.name}.csv", history)


def _write(plan: TrainPlan, run: RunSpec, fitted: FitResult) -> records.Run:
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
    own = method_code(run.config.method)
    return (records.OwnRun if own else records.Run).model_validate(
        {
            "method": run.config.method,
            "variant": run.variant,
            "recipe": plan.recipe,
            "encoder": plan.encoder,
            "encoder_named": plan.encoder_named,
            "encoder_spec": plan.encoder_spec,
            "encoder_note": plan.note,
            "encoder_saw": plan.encoder_saw,
            "text_note": plan.text_note,
            "encoder_identity": dict(plan.store.encoder),
            "dataset": plan.dataset,
            "seed": run.seed,
            "classes": plan.classes,
            "config": run.config.model_dump(),
            "key": plan.store.key,
            "run_key": plan.run_key(run),
            "rows": plan.rows,
            "method_version": 1 if own else method_version(run.config.method),
            "is_random": run.config.is_random,
            "views": plan.views(run),
            "dtype": plan.dtype,
            "text_key": plan.text.key if plan.text else "",
            "text_encoder": dict(plan.text.encoder) if plan.text else {},
            "width": plan.store.width(),
            "epochs": len(fitted.history),
            "selected_epoch": fitted.selected_epoch,
            "seconds": round(fitted.seconds, 3),
            "together": fitted.ensemble_size,
            "device": plan.device,
            **plan.n_rows,
            "val": fitted.val.by_metric(),
            "calibration": fitted.calibration.as_json() | {"split": "val"},
            "dropped": dict(fitted.dropped),
            "findings": dict(fitted.diagnostics),
            "versions": versions(),
            "head": dict(description),
            "head_sha256": head_sha256,
            "history_sha256": history_sha256,
            **({"method_code": own} if own else {}),
        }
    )


def _prune(folders: Sequence[Path]) -> None:
    """Remove the runs of other seeds beside `folders`; a folder that is no run, or of a variant, stays."""
    for parent in {folder.parent for folder in folders}:
        for path in sorted(parent.glob("seed-*/run.json")):
            if path.parent not in folders:
                remove_tree(path.parent)
                say(f"{path.parent}: removed, its seed is not among those that are trained")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _csv(history: list[dict[str, float]]) -> bytes:
    names = list(dict.fromkeys(name for row in history for name in row))
    buffer = io.StringIO()
    write = row_writer(buffer)
    write(names)
    for row in history:
        write(row.get(name, "") for name in names)
    return buffer.getvalue().encode()
