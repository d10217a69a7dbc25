"""The figures, built from grouped runs. Every name is escaped, as plotly reads a little HTML in every text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from pipeline.footnotes import footnoted
from pipeline.learning.metrics import METRICS
from pipeline.report.cells import Cell, spread
from pipeline.report.comparison import ComparisonSet
from pipeline.report.formatting import spread_text, with_footnotes
from pipeline.report.groups import Group
from pipeline.report.views import COLORSCALE, TEXT_COLOR, Figure, Variant
from pipeline.tables.labels import EXPRESSIONS

__all__ = ["axis_title", "confusion_figure", "overview_figure"]

_HEATMAP = {
    "colorscale": COLORSCALE,
    "zmin": 0,
    "zmax": 100,
    "showscale": False,
    "xgap": 2,
    "ygap": 2,
    "hoverongaps": False,
    "textfont": {"color": TEXT_COLOR},
}
_BLUE, _ORANGE = "#0072b2", "#d55e00"


def confusion_figure(group: Group, figure_id: str) -> Figure:
    """Row-normalised confusion matrices in percent, summed over seeds; one variant per (train, test)."""
    trace = go.Heatmap(
        hovertemplate="true %{y}, predicted %{x}<br>%{z:.1f} % (%{customdata})<extra></extra>",
        texttemplate="%{z:.0f}",
        **_HEATMAP,
    )
    layout = {
        "height": 400 + 40 * max(0, len(group.classes) - len(EXPRESSIONS)),  # pixels
        "margin": {"l": 10, "r": 10, "t": 60, "b": 10},
        "xaxis": _x_axis() | {"title": axis_title("predicted"), "tickangle": -45},
        "yaxis": _y_axis("true"),
    }
    return _figure(
        figure_id,
        f"Confusion matrix of {group.method} on {group.source}: rows are true expressions, columns predicted ones",
        "Trained on → tested on",
        go.Figure([trace], layout),
        [_confusion_variant(cell) for cell in group.cells.values()],
    )


def overview_figure(comparison: ComparisonSet, figure_id: str) -> Figure:
    """Every method's mean score within its train dataset and on unseen ones, as the summary has them."""
    groups = comparison.groups
    within = {"size": 12, "symbol": "circle-open", "color": _BLUE, "line": {"width": 2}}
    unseen = {"size": 11, "symbol": "diamond", "color": _ORANGE}
    traces = [
        go.Scatter(name="within dataset", mode="markers", marker=within),
        go.Scatter(name="unseen datasets", mode="markers", marker=unseen),
    ]
    names = [_row_name(group) for group in groups]
    layout = {
        "height": 110 + 48 * len(groups),
        "margin": {"l": 10, "r": 20, "t": 40, "b": 10},
        "xaxis": {"range": [0, 101], "automargin": True, "zeroline": False, "ticksuffix": " %", "fixedrange": True},
        "yaxis": {
            "type": "category",
            "categoryorder": "array",
            "categoryarray": names,
            "range": [len(names) - 0.5, -0.8],
            "showticklabels": False,
            "fixedrange": True,
        },
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "annotations": [_row_label(name) for name in names],
    }
    return _figure(
        figure_id,
        "Mean score of every method within its train dataset and on unseen datasets",
        "Score",
        go.Figure(traces, layout),
        [_overview_variant(comparison, metric) for metric in METRICS],
    )


def axis_title(text: str) -> dict[str, Any]:
    """An axis title in the size of the tick labels, clear of them."""
    return {"text": text, "standoff": 12, "font": {"size": 13}}


def _figure(figure_id: str, title: str, choice: str, figure: go.Figure, variants: Sequence[Variant]) -> Figure:
    plain = figure.to_plotly_json()
    # plotly adds its default theme; the page's script sets colours from the page's own style instead.
    layout = {name: value for name, value in plain["layout"].items() if name != "template"}
    return Figure(figure_id, title, choice, plain["data"], layout, tuple(variants))


def _x_axis() -> dict[str, Any]:
    return {
        "side": "top",
        "type": "category",
        "automargin": True,
        "autotickangles": [0, -45],
        "showgrid": False,
        "fixedrange": True,
        "ticks": "",
    }


def _y_axis(title: str) -> dict[str, Any]:
    return {
        "autorange": "reversed",
        "type": "category",
        "automargin": True,
        "showgrid": False,
        "fixedrange": True,
        "ticks": "",
        "title": axis_title(title),
    }


def _confusion_variant(cell: Cell) -> Variant:
    counts = cell.confusion()
    shares = [[round(100 * count / total, 1) if (total := sum(row)) else None for count in row] for row in counts]
    names = list(cell.classes)
    hover = [[f"{count:,} of {sum(row):,}" for count in row] for row in counts]
    patch = {"z": shares, "customdata": hover, "x": names, "y": names}
    return Variant(with_footnotes(f"{cell.train} → {cell.test}", [cell]), [patch])


def _overview_variant(comparison: ComparisonSet, metric: str) -> Variant:
    within = _points(comparison.groups, [comparison.within(group) for group in comparison.groups], metric)
    unseen = _points(comparison.groups, [comparison.unseen(group) for group in comparison.groups], metric)
    return Variant(METRICS[metric].title, [within, unseen])


def _points(groups: Sequence[Group], cells: Sequence[Sequence[Cell]], metric: str) -> dict[str, Any]:
    chosen = [(_row_name(group), some) for group, some in zip(groups, cells, strict=True) if some]
    spreads = [spread(some, metric) for _, some in chosen]
    bars = [None if each.sd is None else round(100 * each.sd, 2) for each in spreads]
    return {
        "x": [round(100 * each.mean, 2) for each in spreads],
        "y": [name for name, _ in chosen],
        "error_x": {"type": "data", "width": 0, "array": bars},
        "hovertext": [f"{name}: {spread_text(some, metric)} %" for name, some in chosen],
        "hoverinfo": "text",
    }


def _row_label(name: str) -> dict[str, Any]:
    """A name above its row: on its left, a long one would leave no room for the row on a phone."""
    return {"text": name, "xref": "paper", "x": 0, "xanchor": "left", "y": name, "yshift": 16, "showarrow": False}


def _row_name(group: Group) -> str:
    name = escape(f"{group.method} · {group.source}", quote=False) + (" (stand-in)" if group.note else "")
    return footnoted(name, group.encoder_saw)
