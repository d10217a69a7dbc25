"""Plans of several datasets -> heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.errors import TrainingError
from pipeline.learning.method import FitResult, TrainingInputs
from pipeline.methods import load_method
from pipeline.progress import CombinedProgress, OnProgress
from stages.workflows.train_plan import TrainPlan

__all__ = ["fit_groups"]


def fit_groups(plans: Sequence[TrainPlan], on_progress: OnProgress) -> Iterator[tuple[int, int, FitResult]]:
    """Train what is pending of each plan; the features of one dataset are in memory at a time.

    Returns
    -------
    position of the plan, position among its pending runs, and the head, as heads are finished

    Raises
    ------
    TrainingError
        After all others are yielded, if some heads cannot be trained: the message names each.
    """
    method = load_method(plans[0].runs[0].config.method)
    progress, errors = CombinedProgress(len(plans), on_progress), list[TrainingError]()
    for group, plan in enumerate(plans):
        pairs = [(run.config, run.seed) for run in plan.pending]
        try:
            for i, fitted in method.fit_many(_inputs(plan), pairs, progress.of(group)):
                yield group, i, fitted
        except TrainingError as error:
            errors.append(error if len(plans) == 1 else _of_dataset(error, plan))
    if errors:
        raise errors[0] if len(errors) == 1 else TrainingError("\n".join(map(str, errors)))


def _inputs(plan: TrainPlan) -> TrainingInputs:
    drop = plan.params.protocol.drop_other_labels
    return TrainingInputs(plan.store, plan.classes, plan.text, plan.tower, plan.device, drop)


def _of_dataset(error: TrainingError, plan: TrainPlan) -> TrainingError:
    return TrainingError(f"{plan.dataset}: {error}", remedy=error.remedy, purpose=error.purpose)
