"""Plans of several datasets -> heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.learning.method import FitResult, TrainingInputs
from pipeline.methods import load_method
from pipeline.progress import OnProgress
from stages.workflows.train_plan import TrainPlan

__all__ = ["fit_groups"]


def fit_groups(plans: Sequence[TrainPlan], on_progress: OnProgress) -> Iterator[tuple[int, int, FitResult]]:
    """Train what is pending of each plan, heads of several datasets side by side: see `Method.fit_groups`.

    Returns
    -------
    position of the plan, position among its pending runs, and the head, as heads are finished
    """
    method = load_method(plans[0].runs[0].config.method)
    groups = [(_inputs(plan), [(run.config, run.seed) for run in plan.pending]) for plan in plans]
    return method.fit_groups(groups, on_progress)


def _inputs(plan: TrainPlan) -> TrainingInputs:
    drop = plan.params.protocol.drop_other_labels
    part = plan.fold.name if plan.fold else ""
    return TrainingInputs(plan.units, plan.classes, plan.text, plan.tower, plan.device, drop, part)
