"""The figures, built from grouped runs. Every name is escaped, as plotly reads a little HTML in every text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from pipeline.report.formatting import interval_text, percent, spread_text
from pipeline.report.groups import Cell, Group, spread
from pipeline.report.markup import Figure, Variant
from pipeline.report.scores import METRICS

__all__ = ["METRIC_NAMES", "UNSEEN", "axis_title", "confusion_figure", "matrix_figure", "overview_figure"]

METRIC_NAMES = {"accuracy": "Accuracy", "uar": "UAR"}
UNSEEN = "mean unseen"
# Pale yellow to mid blue: ordered by lightness, so it reads without colour vision, and light enough throughout for one
# dark text colour. One range for all, so that equal colours mean equal scores in every heat map of the page.
_HEAT = {
    "colorscale": [[0, "#fcfbea"], [0.5, "#a5d9c0"], [1, "#4a9ecb"]],
    "zmin": 0,
    "zmax": 100,
    "showscale": False,
    "xgap": 2,
    "ygap": 2,
    "hoverongaps": False,
    "textfont": {"color": "#14181d"},
}
_BLUE, _ORANGE = "#0072b2", "#d55e00"


def matrix_figure(group: Group, tests: Sequence[str], figure_id: str) -> Figure:
    """Train x test heat map with a column for the mean over unseen datasets; one variant per metric."""
    traces = [
        go.Heatmap(x=_texts(tests), y=_texts(group.trains), **_HEAT, **_CELL_TEXT),
        go.Heatmap(x=[UNSEEN.replace(" ", "<br>")], y=_texts(group.trains), xaxis="x2", **_HEAT, **_CELL_TEXT),
    ]
    share = 0.97 * len(tests) / (len(tests) + 1)
    layout = {
        "height": 120 + 46 * len(group.trains),
        "margin": {"l": 10, "r": 10, "t": 60, "b": 10},
        "xaxis": _x_axis() | {"domain": [0, share], "title": axis_title("tested on")},
        "xaxis2": _x_axis() | {"domain": [share + 0.03, 1]},
        "yaxis": _y_axis("trained on"),
        "shapes": _outlines(group, tests),
    }
    return _figure(
        figure_id,
        f"Heat map of {group.method} on {group.encoder}: rows are train datasets, columns test datasets",
        "Score",
        go.Figure(traces, layout),
        [_matrix_variant(group, tests, metric) for metric in METRICS],
    )


def confusion_figure(group: Group, figure_id: str) -> Figure:
    """Row-normalised confusion matrices in percent, summed over seeds; one variant per (train, test)."""
    trace = go.Heatmap(
        hovertemplate="true %{y}, predicted %{x}<br>%{z:.1f} % (%{customdata})<extra></extra>",
        texttemplate="%{z:.0f}",
        **_HEAT,
    )
    layout = {
        "height": 400,
        "margin": {"l": 10, "r": 10, "t": 60, "b": 10},
        "xaxis": _x_axis() | {"title": axis_title("predicted"), "tickangle": -45},
        "yaxis": _y_axis("true"),
    }
    return _figure(
        figure_id,
        f"Confusion matrix of {group.method} on {group.encoder}: rows are true expressions, columns predicted ones",
        "Trained on → tested on",
        go.Figure([trace], layout),
        [_confusion_variant(cell) for cell in group.cells.values()],
    )


def overview_figure(groups: Sequence[Group], figure_id: str) -> Figure:
    """Every method's mean score within its train dataset and on unseen ones; one variant per metric."""
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
        [_overview_variant(groups, metric) for metric in METRICS],
    )


def axis_title(text: str) -> dict[str, Any]:
    """An axis title in the size of the tick labels, clear of them."""
    return {"text": text, "standoff": 12, "font": {"size": 13}}


_CELL_TEXT = {"texttemplate": "%{text}", "hoverinfo": "text"}


def _figure(figure_id: str, title: str, choice: str, figure: go.Figure, variants: Sequence[Variant]) -> Figure:
    plain = figure.to_plotly_json()
    # plotly adds its default theme; the page's script sets colours from the page's own style instead.
    layout = {name: value for name, value in plain["layout"].items() if name != "template"}
    return Figure(figure_id, title, choice, plain["data"], layout, tuple(variants))


def _texts(names: Sequence[str]) -> list[str]:
    return [escape(name, quote=False) for name in names]


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


def _outlines(group: Group, tests: Sequence[str]) -> list[dict[str, Any]]:
    """Frames around the cells whose dataset was seen in training; axis positions are category numbers."""
    places = [
        (group.trains.index(cell.train), list(tests).index(cell.test))
        for cell in group.cells.values()
        if cell.first.seen
    ]
    return [
        {"type": "rect", "x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5, "line": {"width": 3}}
        for y, x in places
    ]


def _matrix_variant(group: Group, tests: Sequence[str], metric: str) -> Variant:
    rows = [[_one(group.cells.get((train, test))) for test in tests] for train in group.trains]
    means = [[group.unseen(train)] for train in group.trains]
    hovers = [[_cell_hover(cell[0], metric) if cell else "" for cell in row] for row in rows]
    mean_hovers = [[_mean_hover(cells, metric) for cells in row] for row in means]
    return Variant(
        METRIC_NAMES[metric],
        [_heat(rows, metric) | {"hovertext": hovers}, _heat(means, metric) | {"hovertext": mean_hovers}],
    )


def _one(cell: Cell | None) -> list[Cell]:
    return [] if cell is None else [cell]


def _heat(rows: Sequence[Sequence[Sequence[Cell]]], metric: str) -> dict[str, Any]:
    means = [[spread(cells, metric).mean if cells else None for cells in row] for row in rows]
    return {
        "z": [[None if mean is None else round(100 * mean, 2) for mean in row] for row in means],
        "text": [["" if mean is None else percent(mean) for mean in row] for row in means],
    }


def _cell_hover(cell: Cell, metric: str) -> str:
    score = cell.first
    seeds = [
        f"seed {seed}: {percent(one.value(metric), one.n)} (95 % interval {interval_text(one.ci95[metric], one.n)})"
        for seed, one in sorted(cell.by_seed.items())
    ]
    lines = [
        f"trained on {escape(cell.train)}, tested on {escape(cell.test)}" + (" (seen)" if score.seen else ""),
        f"{METRIC_NAMES[metric]} {spread_text([cell], metric)} %",
        *seeds,
        f"split {escape(score.split)}, n {score.n:,}, rejected {score.rejected:,}",
    ]
    return "<br>".join(lines)


def _mean_hover(cells: Sequence[Cell], metric: str) -> str:
    names = ", ".join(escape(cell.test) for cell in cells)
    return f"{METRIC_NAMES[metric]} {spread_text(cells, metric)} %<br>plain mean over {names}" if cells else ""


def _confusion_variant(cell: Cell) -> Variant:
    counts = cell.confusion()
    shares = [[round(100 * count / total, 1) if (total := sum(row)) else None for count in row] for row in counts]
    names = list(cell.classes)
    places = [[f"{count:,} of {sum(row):,}" for count in row] for row in counts]
    patch = {"z": shares, "customdata": places, "x": names, "y": names}
    return Variant(f"{cell.train} → {cell.test}", [patch])


def _overview_variant(groups: Sequence[Group], metric: str) -> Variant:
    within = _dots(groups, [group.within() for group in groups], metric)
    unseen = _dots(groups, [group.unseen() for group in groups], metric)
    return Variant(METRIC_NAMES[metric], [within, unseen])


def _dots(groups: Sequence[Group], cells: Sequence[Sequence[Cell]], metric: str) -> dict[str, Any]:
    chosen = [(_row_name(group), some) for group, some in zip(groups, cells, strict=True) if some]
    spreads = [spread(some, metric) for _, some in chosen]
    bars = [None if one.sd is None else round(100 * one.sd, 2) for one in spreads]
    return {
        "x": [round(100 * one.mean, 2) for one in spreads],
        "y": [name for name, _ in chosen],
        "error_x": {"type": "data", "width": 0, "array": bars},
        "hovertext": [f"{name}: {spread_text(some, metric)} %" for name, some in chosen],
        "hoverinfo": "text",
    }


def _row_label(name: str) -> dict[str, Any]:
    """A name above its row: beside it, a long one would leave no room for the row on a phone."""
    return {"text": name, "xref": "paper", "x": 0, "xanchor": "left", "y": name, "yshift": 15, "showarrow": False}


def _row_name(group: Group) -> str:
    return escape(f"{group.method} · {group.encoder}", quote=False) + (" (stand-in)" if group.note else "")
