"""Training curves of a method: a panel per run, losses above, validation scores below, all on the same axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.report.charts.scales import Scale, Tick, fitted, line_points, steps_scale
from pipeline.report.groups import Group
from pipeline.report.histories import losses_of, runs_with_curves, scores_of, selected_value, steps_name
from pipeline.report.runs import ReportRun

__all__ = ["CurvePanel", "Curves", "Line", "Plot", "curves"]

N_STYLES = 6  # of lines in the style sheet: colours and dashes


@dataclass(frozen=True)
class Line:
    """A line: the number of its style, and its unbroken stretches as points in percent, y from the top.

    Paths are drawn in a box of 400 x 200: whole numbers are exact enough there, and shorter.
    """

    style: int
    stretches: tuple[tuple[tuple[float, float], ...], ...]

    @property
    def paths(self) -> list[str]:
        """Each stretch of two or more points as an SVG path, whose steps are relative: they are shorter."""
        return [_path(stretch) for stretch in self.stretches if len(stretch) > 1]

    @property
    def dots(self) -> list[tuple[float, float]]:
        """Points without a neighbour, which a line would not show."""
        return [stretch[0] for stretch in self.stretches if len(stretch) == 1]


def _path(stretch: Sequence[tuple[float, float]]) -> str:
    places = [(round(4 * x), round(2 * y)) for x, y in stretch]
    steps = (f"{x1 - x0},{y1 - y0}" for (x0, y0), (x1, y1) in pairwise(places))
    return f"M{places[0][0]},{places[0][1]}l{' '.join(steps)}"


@dataclass(frozen=True)
class Plot:
    """Lines on one value axis, whose ticks are from the top."""

    name: str
    ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class CurvePanel:
    """The curves of one run; `selected` is the place of the selected step, None if the history does not hold it."""

    title: str
    about: str
    plots: tuple[Plot, ...]
    ticks: tuple[Tick, ...]
    selected: float | None
    selected_text: str


@dataclass(frozen=True)
class Curves:
    """All curves of one method: `legend` has the styles of its columns, `steps` names the horizontal axis.

    `panels` are of the lowest seed, `other_seeds` of the others.
    """

    method: str
    source: str
    steps: str
    legend: tuple[tuple[int, str], ...]
    panels: tuple[CurvePanel, ...]
    other_seeds: tuple[CurvePanel, ...]


def curves(group: Group) -> list[Curves]:
    """The curves of a group's runs, one for each form of history; none where nothing is trained."""
    by_form: dict[tuple[str, ...], list[ReportRun]] = {}
    for run in runs_with_curves(group):
        by_form.setdefault((steps_name(run), *losses_of(run), *scores_of(run)), []).append(run)
    return [_curves(group, runs) for runs in by_form.values()]


def _curves(group: Group, runs: Sequence[ReportRun]) -> Curves:
    steps, losses, scores = steps_name(runs[0]), losses_of(runs[0]), scores_of(runs[0])
    styles = {name: i % N_STYLES for i, name in enumerate((*losses, *scores))}
    axis = steps_scale([step for run in runs for step in _values([run], [steps])])
    plots = [("loss", losses, 1.0)] if losses else []
    plots += [("validation, %", scores, 100.0)] if scores else []
    scales = {
        name: fitted([scale * value for value in _values(runs, columns)] or [0.0]) for name, columns, scale in plots
    }
    first, others = (
        tuple(_panel(run, axis, [_plot(run, axis, styles, plot, scales[plot[0]]) for plot in plots]) for run in some)
        for some in _by_seed(runs)
    )
    legend = tuple((style, name) for name, style in styles.items())
    return Curves(group.method, group.source, steps, legend, first, others)


def _by_seed(runs: Sequence[ReportRun]) -> tuple[list[ReportRun], list[ReportRun]]:
    """The runs of the lowest seed, and the others."""
    lowest = min(run.seed for run in runs)
    return [run for run in runs if run.seed == lowest], [run for run in runs if run.seed != lowest]


def _values(runs: Iterable[ReportRun], columns: Iterable[str]) -> list[float]:
    names = list(columns)
    return [value for run in runs for row in run.history for name in names if (value := row.get(name)) is not None]


def _plot(
    run: ReportRun, axis: Scale, styles: dict[str, int], plot: tuple[str, list[str], float], scale: Scale
) -> Plot:
    name, columns, factor = plot
    ticks = tuple(Tick(round(100 - tick.at, 1), tick.text, "end") for tick in scale.ticks(4))
    return Plot(name, ticks, tuple(_line(run, axis, column, styles[column], factor, scale) for column in columns))


def _line(run: ReportRun, axis: Scale, column: str, style: int, factor: float, scale: Scale) -> Line:
    steps = steps_name(run)
    rows = sorted(run.history, key=lambda row: row[steps] or 0.0)
    stretches = line_points((row[steps], row.get(column)) for row in rows)
    places = [
        tuple((round(axis.place(x), 1), round(100 - scale.place(factor * y), 1)) for x, y in stretch)
        for stretch in stretches
    ]
    return Line(style, tuple(places))


def _panel(run: ReportRun, axis: Scale, plots: Sequence[Plot]) -> CurvePanel:
    selected, name = selected_value(run), steps_name(run)
    text = "" if selected is None else f"selected: {name} {selected:g}"
    scores = ", ".join(
        f"validation {metric} {100 * value:.1f} %" for metric, value in run.record.val.by_metric().items()
    )
    title = f"{run.trained_as}, seed {run.seed}"
    about = f"Training of {run.name} on {title}. {text or 'the selected step is not in the history'}: {scores}"
    place = None if selected is None else axis.place(selected)
    return CurvePanel(title, about, tuple(plots), axis.ticks(4), place, text)
