"""Histories of training runs: what they are drawn over, and where the selected weights are."""

from __future__ import annotations

from pipeline.learning.metrics import METRICS
from pipeline.report.groups import Group
from pipeline.report.runs import Kind, ReportRun

__all__ = ["losses_of", "runs_with_curves", "scores_of", "selected_value", "steps_name"]

_NOT_LOSSES = ("epoch", "lr", "seconds")
# What a search varies: a better axis than the order of the trials.
_SEARCHED = ("log10_c", "C")


def runs_with_curves(group: Group) -> list[ReportRun]:
    """The runs of a group that have a history of two or more steps; none where nothing is trained."""
    return [] if group.kind is Kind.UNTRAINED else [run for run in group.runs if len(run.history) > 1]


def steps_name(run: ReportRun) -> str:
    """The column that a run's curves are drawn over: what was searched, else the epoch, else the first one."""
    columns = list(run.history[0])
    return next((name for name in (*_SEARCHED, "epoch") if name in columns), columns[0])


def scores_of(run: ReportRun) -> list[str]:
    """The columns of validation scores."""
    return [column for column in run.history[0] if column.endswith(tuple(METRICS))]


def losses_of(run: ReportRun) -> list[str]:
    """The columns of loss terms."""
    others = (steps_name(run), *scores_of(run), *_NOT_LOSSES)
    return [column for column in run.history[0] if column not in others]


def selected_value(run: ReportRun) -> float | None:
    """Where the selected weights are on the axis; None if the history does not hold it.

    Notes
    -----
    Without a column `epoch`, it is the first row whose validation scores are those of the run.
    """
    selected: dict[str, float] = {"epoch": run.record.selected_epoch}
    if "epoch" not in run.history[0]:
        selected = {f"val_{name}": value for name, value in run.record.val.by_metric().items()}
    rows = (row for row in run.history if all(row.get(name, value) == value for name, value in selected.items()))
    return next((row[steps_name(run)] for row in rows), None)
