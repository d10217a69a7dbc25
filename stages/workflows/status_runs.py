"""The runs of a project and their scores, compared with what `train` and `evaluate` would make now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from pipeline.predict.head_folder import RUN, WEIGHTS
from pipeline.predict.saved import read_saved
from stages.requests import TrainRequest
from stages.results import State
from stages.workflows.audit_records import AuditRecords
from stages.workflows.predictions import has_predictions
from stages.workflows.scorer import Scorer
from stages.workflows.scores_file import read_scores
from stages.workflows.status_features import store_of, text_of
from stages.workflows.status_outputs import KNOWN_ERRORS, Outputs, Step
from stages.workflows.sweep import plan_runs
from stages.workflows.train_plan import TrainPlan, plans_of
from stages.workspace import heads_below

__all__ = ["add_runs", "add_scores", "add_weights"]


def add_weights(outputs: Outputs) -> None:
    """State files that image networks begin with, where they are not on this machine."""
    for method in outputs.params.run.methods:
        path = _pretrained(outputs, method)
        if path is not None and not path.exists():
            reason = f"weights that {method} begins with, methods.{method}.pretrained, are not on this machine"
            outputs.add("data", path, "missing", reason)


def _pretrained(outputs: Outputs, method: str) -> Path | None:
    written = outputs.params.method(method).recorded("json").get("pretrained")
    return Path(written) if written else None


def add_runs(outputs: Outputs, named: str, method: str) -> list[Path]:
    """State the runs of a method on the features of an encoder, and give their folders.

    One output is listed for all folds of a dataset while its store is not up to date: they follow from it.
    """
    folders = []
    for dataset in outputs.params.run.train:
        request = TrainRequest(
            method,
            dataset,
            encoder=named,
            features=outputs.request.features,
            runs=outputs.request.runs,
            device=outputs.request.device,
            params=outputs.request.params,
        )
        step = ("train", {"method": method, "encoder": named, "runs": outputs.request.runs})
        above: list[object] = [store_of(outputs, named, dataset)]
        if outputs.params.method(method).needs_text:
            above.append(text_of(outputs, named))
        if (weights := _pretrained(outputs, method)) is not None:
            above.append(weights)
        folders += list(_add_runs(outputs, request, outputs.pending(*above), step))
    return folders


def _add_runs(outputs: Outputs, request: TrainRequest, above: str, step: Step) -> Iterator[Path]:
    try:
        plans = () if above else plans_of(request, outputs.params, outputs.stores)
    except KNOWN_ERRORS as error:
        for folder, state in _folders(outputs, request).items():
            outputs.add_refused("train", folder, state, error, step)
            yield folder
        return
    for plan in plans:
        yield from _add_plan(outputs, plan, step)
    for folder, state in {} if plans else _folders(outputs, request).items():
        outputs.add("train", folder, state, above, step)
        yield folder


def _folders(outputs: Outputs, request: TrainRequest) -> dict[Path, State]:
    """The folders of runs without a plan, stale or missing: that of the dataset where it has folds."""
    params, [dataset] = outputs.params, request.dataset
    named = str(request.encoder)
    _, options = params.options(request.method)
    runs = plan_runs(request, params, params.encoder(named)[0], dataset, options)
    folders = [runs[0].folder.parent] if dataset in params.run.folds else [run.folder for run in runs]
    return {folder: "stale" if heads_below(folder, RUN) else "missing" for folder in folders}


def _add_plan(outputs: Outputs, plan: TrainPlan, step: Step) -> Iterator[Path]:
    for run in plan.runs:
        state = plan.states[run.folder]
        if state.record is not None:
            outputs.add("train", run.folder, "up to date", "", step)
        elif state.reason:
            outputs.add("train", run.folder, "stale", state.reason, step)
        else:
            stopped = (run.folder / WEIGHTS).exists()
            reason = f"weights without {RUN}: it was being written" if stopped else ""
            outputs.add("train", run.folder, "interrupted" if stopped else "missing", reason, step)
        yield run.folder


def add_scores(outputs: Outputs, named: str, folders: Sequence[Path]) -> None:
    """State the scores of some runs on the datasets that heads are tested on."""
    folder, _ = outputs.params.encoder(named)
    step = ("evaluate", {"runs": (str(outputs.request.runs / folder),)})
    tested = outputs.params.run.tested
    stores = [store_of(outputs, named, dataset) for dataset in tested]
    compared = _Scores(outputs, tested)
    for run in folders:
        path = outputs.request.runs / "scores" / run.relative_to(outputs.request.runs) / "scores.json"
        reasons = list(filter(None, [outputs.pending(run, *stores)]))
        if not path.exists():
            outputs.add("evaluate", path, "missing", "; ".join(reasons), step)
            continue
        try:
            reasons = reasons or compared.reasons(run, path)
        except KNOWN_ERRORS as error:
            outputs.add_refused("evaluate", path, "refused", error, step)
        else:
            outputs.add("evaluate", path, "stale" if reasons else "up to date", "; ".join(reasons), step)


class _Scores:
    """Compares scores of many runs: stores are opened, and rows read, once."""

    def __init__(self, outputs: Outputs, datasets: Sequence[str]) -> None:
        self._outputs, self._datasets = outputs, datasets

    @cached_property
    def _scorer(self) -> Scorer:
        outputs, request = self._outputs, self._outputs.request
        audits = AuditRecords(request.audits, request.tables)
        return Scorer(outputs.stores, outputs.params, request.device, audits=audits)

    def reasons(self, folder: Path, path: Path) -> list[str]:
        """Why `evaluate` would score a run again, by dataset."""
        split = self._outputs.params.protocol.test_split
        earlier = tuple(read_scores(path))
        outdated = self._scorer.outdated(read_saved(folder), self._datasets, split, earlier)
        reasons = [f"{dataset}: {changes or 'no score'}" for dataset, changes in outdated.items()]
        current = [score for score in earlier if score.dataset in self._datasets and score.dataset not in outdated]
        without = [score.predictions_file for score in current if not has_predictions(path, score)]
        return [*reasons, *(f"{name} is missing, or is not of the score" for name in without)]
