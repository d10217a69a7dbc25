"""How scores depend on an option of a method: the runs of a grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.errors import ConfigError
from pipeline.learning.metrics import METRICS
from pipeline.methods import config_class
from pipeline.report.cells import spread
from pipeline.report.groups import Group, dataset_columns
from pipeline.report.paper.ablations import variants_of
from pipeline.report.paper.latex import file_stem
from pipeline.report.paper.style import (
    COLUMN_IN,
    LINES,
    PAGE_IN,
    FigureFacts,
    PaperFigure,
    color_of,
    drawn,
    grid_shape,
    marker_of,
    wrapped,
)
from pipeline.report.paper.train_test import by_encoder, caption_of, cell_of, trained_on, trains_of

__all__ = ["Sweep", "sensitivity_figures", "sweeps_of"]

_COLUMNS = ["option", "value", "fixed", "test", "seen", "mean", "sd", "seeds"]
_LOG_RATIO = 20  # between the greatest and the least value of an option, from which on the axis is logarithmic


@dataclass(frozen=True)
class Sweep:
    """The variants of a method that differ in one option only.

    Parameters
    ----------
    option : its name
    points : value -> the variant with it, ascending
    fixed : the other options that the grid varies, at their one value here
    """

    option: str
    points: Mapping[float, Group]
    fixed: Mapping[str, Any]

    @property
    def fixed_text(self) -> str:
        """The other options as text; empty without any."""
        return ", ".join(f"{name}={value}" for name, value in self.fixed.items())


def sensitivity_figures(groups: Sequence[Group]) -> Iterator[PaperFigure]:
    """A figure per encoder, method with a grid of numbers, train dataset and metric; a panel per option."""
    for encoder, members in by_encoder(groups).items():
        for method, variants in variants_of(members).items():
            for train in trains_of(variants):
                if sweeps := sweeps_of(method, trained_on(variants, train)):
                    for metric in METRICS:
                        name = file_stem("sensitivity", encoder, method, train, metric)
                        yield _figure(name, method, sweeps, train, metric)


def sweeps_of(method: str, variants: Sequence[Group]) -> list[Sweep]:
    """For every option of which there are two or more numbers, the variants that differ in it alone.

    Of several such sets, as a grid over two options has, it is the one with most values, then the one whose other
    options have the most defaults, then the first.
    """
    configs = [variant.runs[0].record.config for variant in variants]
    names = dict.fromkeys(name for config in configs for name in config)
    varied = [name for name in names if len({repr(config.get(name)) for config in configs}) > 1]
    numbers = [name for name in varied if all(_is_number(config.get(name)) for config in configs)]
    defaults = _defaults(method)
    sweeps = (_longest_sweep(option, varied, variants, defaults) for option in numbers)
    return [sweep for sweep in sweeps if len(sweep.points) > 1]


def _longest_sweep(option: str, varied: Sequence[str], variants: Sequence[Group], defaults: Mapping[str, Any]) -> Sweep:
    sweeps: dict[str, Sweep] = {}
    for variant in variants:
        config = variant.runs[0].record.config
        fixed = {name: config.get(name) for name in varied if name != option}
        before = sweeps.get(repr(fixed), Sweep(option, {}, fixed))
        points = {**before.points, float(config[option]): variant}
        sweeps[repr(fixed)] = Sweep(option, dict(sorted(points.items())), fixed)

    def merit(sweep: Sweep) -> tuple[int, int]:
        return len(sweep.points), sum(value == defaults.get(name) for name, value in sweep.fixed.items())

    return max(sweeps.values(), key=merit)


def _defaults(method: str) -> Mapping[str, Any]:
    try:
        return config_class(method)().model_dump()
    except ConfigError:  # a method from outside, whose code is not here
        return {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _figure(name: str, method: str, sweeps: Sequence[Sweep], train: str, metric: str) -> PaperFigure:
    groups = list({id(group): group for sweep in sweeps for group in sweep.points.values()}.values())
    tests = [test for test in dataset_columns(groups) if any(cell_of(group, train, test) for group in groups)]
    data = pd.DataFrame([row for sweep in sweeps for row in _rows(sweep, train, tests, metric)], columns=_COLUMNS)
    others = "; ".join(f"{sweep.option}: {sweep.fixed_text}" for sweep in sweeps if sweep.fixed)
    what = f"{METRICS[metric].title} (%) of {method}, trained on {train}, by its options: mean ± deviation over seeds"
    cells = [cell for group in groups for test in tests if (cell := cell_of(group, train, test))]
    caption = caption_of(what, groups, cells, f"Other options of the grid: {others}." if others else "")
    n_rows, n_columns = grid_shape(len(sweeps), 2 if len(sweeps) <= 2 else 3)
    width = COLUMN_IN if n_columns <= 2 else PAGE_IN
    size = (width, 1.6 * n_rows + 0.25)
    facts = FigureFacts(name, caption, any(group.note for group in groups))
    return drawn(facts, data, size, lambda figure: _draw(figure, data, tests, metric, (n_rows, n_columns)))


def _rows(sweep: Sweep, train: str, tests: Sequence[str], metric: str) -> Iterator[tuple[object, ...]]:
    for test in tests:
        for value, group in sweep.points.items():
            if cell := cell_of(group, train, test):
                measured = spread([cell], metric)
                sd, seen = measured.sd, not cell.is_unseen
                yield (sweep.option, value, sweep.fixed_text, test, seen, measured.mean, sd, measured.n_seeds)


def _draw(figure: Figure, data: pd.DataFrame, tests: Sequence[str], metric: str, shape: tuple[int, int]) -> None:
    options = list(dict.fromkeys(data["option"]))
    panels = figure.subplots(*shape, sharey=True, squeeze=False).flatten()
    for axes, option in zip(panels, options, strict=False):
        of_option = data[data["option"] == option]
        for i, test in enumerate(tests):
            rows = of_option[of_option["test"] == test]
            style = {"color": color_of(i), "marker": marker_of(i), "linestyle": LINES[i % len(LINES)]}
            label = wrapped(test) if option == options[0] else None
            axes.errorbar(rows["value"], 100 * rows["mean"], 100 * rows["sd"].astype(float), label=label, **style)
        values = sorted(set(of_option["value"]))
        if values[0] > 0 and values[-1] / values[0] >= _LOG_RATIO:
            axes.set_xscale("log")
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()
        axes.set_xlabel(option)
        axes.grid(axis="y", color="#dddddd", linewidth=0.4)
    for axes in panels[:: shape[1]]:
        axes.set_ylabel(f"{METRICS[metric].title}, %")
    for axes in panels[len(options) :]:
        axes.set_visible(False)
    figure.legend(loc="outside upper center", ncols=min(len(tests), 3 if shape[1] <= 2 else 5))
