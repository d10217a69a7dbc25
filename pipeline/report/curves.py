"""Training curves: loss terms above, validation scores below, with a line at the selected epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pipeline.learning.metrics import METRICS
from pipeline.report.figures import axis_title
from pipeline.report.groups import Group
from pipeline.report.runs import ReportRun
from pipeline.report.views import Figure, Variant

__all__ = ["curves_figure", "selected_value", "steps_name"]

# Okabe and Ito's palette without yellow and black, which are invisible on one of the two backgrounds. Dashes
# distinguish lines without colours.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_NOT_LOSSES = ("epoch", "lr", "seconds")
# What a search varies: a better axis than the order of the trials.
_SEARCHED = ("log10_c", "C")
# A search over powers of ten is unreadable on a linear axis.
_LOG_RATIO = 1000
_UPPER, _LOWER, _WHOLE = (0.55, 1.0), (0.0, 0.45), (0.0, 1.0)


def curves_figure(group: Group, figure_id: str) -> Figure | None:
    """The histories of a group's runs, one variant per run; None if no run has one."""
    runs = [run for run in group.runs if run.history]
    if not runs:
        return None
    layout = {
        "height": 400,
        "margin": {"l": 10, "r": 10, "t": 30, "b": 10},
        "legend": {"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top"},
        "hovermode": "x unified",
    }
    title = f"Training curves of {group.method} on {group.source}: loss terms and validation scores"
    return Figure(figure_id, title, "Trained on", [], layout, tuple(_variant(run) for run in runs))


def steps_name(run: ReportRun) -> str:
    """The column that a run's curves are drawn over: what was searched, else the epoch, else the first one."""
    columns = list(run.history[0])
    return next((name for name in (*_SEARCHED, "epoch") if name in columns), columns[0])


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


def _variant(run: ReportRun) -> Variant:
    name = steps_name(run)
    rows = sorted(run.history, key=lambda row: row[name] or 0.0)
    scores = [column for column in rows[0] if column.endswith(tuple(METRICS))]
    losses = [column for column in rows[0] if column not in (name, *scores, *_NOT_LOSSES)]
    data = [_line(rows, name, column, i, "y") for i, column in enumerate(losses)]
    data += [_line(rows, name, column, i, "y2", scale=100) for i, column in enumerate(scores, start=len(losses))]
    return Variant(f"{run.trained_as}, seed {run.seed}", data, _layout(run, rows, bool(losses)))


def _line(
    rows: Sequence[Mapping[str, float | None]], steps: str, column: str, i: int, axis: str, scale: float = 1
) -> dict[str, Any]:
    style = i % len(_COLORS)
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(rows) < 30 else "lines",
        "name": escape(column, quote=False),
        "x": [row[steps] for row in rows],
        "y": [None if (value := row[column]) is None else float(f"{scale * value:.4g}") for row in rows],
        "yaxis": axis,
        "line": {"color": _COLORS[style], "dash": _DASHES[style], "width": 2},
    }


def _layout(run: ReportRun, rows: Sequence[Mapping[str, float | None]], has_losses: bool) -> dict[str, Any]:
    name, selected = steps_name(run), selected_value(run)
    steps = [step for row in rows if (step := row[name]) is not None]
    is_log = min(steps, default=0) > 0 and max(steps) / min(steps) > _LOG_RATIO
    axis = {"title": axis_title(escape(name, quote=False)), "automargin": True, "fixedrange": True, "zeroline": False}
    value_axis = {"automargin": True, "fixedrange": True, "zeroline": False}
    layout: dict[str, Any] = {
        "xaxis": axis | {"anchor": "y2", "type": "log" if is_log else "linear", "exponentformat": "power"},
        "yaxis2": value_axis | {"domain": _LOWER if has_losses else _WHOLE, "title": axis_title("validation, %")},
    }
    if has_losses:
        layout["yaxis"] = value_axis | {"domain": _UPPER, "title": axis_title("loss")}
    return layout if selected is None else layout | _selection_line(selected, steps, name, is_log)


def _selection_line(step: float, steps: Sequence[float], name: str, is_log: bool) -> dict[str, Any]:
    position = sum(other < step for other in steps) / len(steps)
    line = {"x0": step, "x1": step, "yref": "paper", "y0": 0, "y1": 1}
    note = {
        # plotly takes exponents for annotations on a logarithmic axis, unlike for shapes.
        "x": math.log10(step) if is_log else step,
        "yref": "paper",
        "y": 1,
        "yanchor": "bottom",
        # At the edges the text stays inside, where no button of the figure covers it.
        "xanchor": "left" if position < 0.2 else "right" if position > 0.8 else "center",
        "showarrow": False,
        "text": escape(f"selected: {name} {step:g}", quote=False),
    }
    return {"shapes": [{"type": "line", **line, "line": {"width": 1.5, "dash": "dash"}}], "annotations": [note]}
