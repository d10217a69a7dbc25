"""Methods in the order of their scores on unseen test sets, with the interval of every score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.learning.metrics import METRICS
from pipeline.report.cells import Cell, spread
from pipeline.report.comparison import ComparisonSet
from pipeline.report.groups import Group, dataset_columns, units_text
from pipeline.report.paper.latex import file_stem
from pipeline.report.paper.results import mean_bounds
from pipeline.report.paper.style import COLORS, COLUMN_IN, PAGE_IN, FigureFacts, PaperFigure, drawn, wrapped
from pipeline.report.paper.train_test import by_encoder, caption_of, cell_of, trained_on, trains_of
from pipeline.report.runs import NO_TRAINING

__all__ = ["ranking_figures"]


class _Mark(NamedTuple):
    """A method on a test set: fractions, and the score of each seed in the order of the seeds."""

    encoder: str
    metric: str
    train: str
    method: str
    test: str
    seen: bool
    n: int
    mean: float
    low: float | None
    high: float | None
    by_seed: tuple[float, ...]


_SEEN, _UNSEEN = COLORS[0], COLORS[1]


def ranking_figures(groups: Sequence[Group]) -> Iterator[PaperFigure]:
    """A figure per encoder, train dataset and metric; a panel per test set."""
    for encoder, members in by_encoder(groups).items():
        for train in trains_of(members):
            for metric in METRICS:
                yield _figure(file_stem("ranking", encoder, train, metric), members, train, metric)


def _figure(name: str, groups: Sequence[Group], train: str, metric: str) -> PaperFigure:
    tests = [test for test in dataset_columns(groups) if any(cell_of(group, train, test) for group in groups)]
    block = ComparisonSet(tuple(trained_on(groups, train)))
    ranked = sorted(block.groups, key=lambda group: -_rank(block, group, train, metric))
    cells = [(group, cell) for group in ranked for test in tests if (cell := cell_of(group, train, test))]
    marks = [_mark(group, cell, train, metric) for group, cell in cells]
    data = pd.DataFrame(marks, columns=_Mark._fields)
    data["by_seed"] = [" ".join(f"{value:.6f}" for value in mark.by_seed) for mark in marks]
    what = f"{METRICS[metric].title} (%) of methods trained on {train}"
    signs = (
        "Large marks: means over seeds (circle: the train dataset's own test set; diamond: unseen), with the 95 % "
        f"interval over test {units_text(ranked)} (mean of the bounds of the seeds); small marks: single seeds. In the "
        "order of the mean over the unseen test sets that all methods have."
    )
    caption = caption_of(what, ranked, [cell for _, cell in cells], signs)
    labels = [wrapped(group.method) for group in ranked]
    n_lines = sum(1 + label.count("\n") for label in labels)
    size = (COLUMN_IN if len(tests) <= 2 else PAGE_IN, 0.7 + 0.13 * n_lines + 0.06 * len(labels))
    methods = [group.method for group in ranked]
    facts = FigureFacts(name, caption, any(group.note for group in ranked))
    return drawn(facts, data, size, lambda figure: _draw(figure, marks, methods, labels, tests, metric))


def _rank(block: ComparisonSet, group: Group, train: str, metric: str) -> float:
    """By the unseen test sets that all have, else by those of its own."""
    cells = block.unseen(group, train) or [cell for (of, _), cell in group.cells.items() if of in (train, NO_TRAINING)]
    return METRICS[metric].rank(spread(cells, metric).mean)


def _mark(group: Group, cell: Cell, train: str, metric: str) -> _Mark:
    low, high = mean_bounds(cell, metric) or (None, None)
    by_seed = tuple(score.value(metric) for _, score in sorted(cell.by_seed.items()))
    key = (group.encoder, metric, train, group.method, cell.test, not cell.is_unseen, cell.first.n)
    return _Mark(*key, fmean(by_seed), low, high, by_seed)


def _draw(
    figure: Figure,
    marks: Sequence[_Mark],
    methods: Sequence[str],
    labels: Sequence[str],
    tests: Sequence[str],
    metric: str,
) -> None:
    panels = figure.subplots(1, len(tests), sharey=True, squeeze=False)[0]
    for axes, test in zip(panels, tests, strict=True):
        for mark in marks:
            if mark.test == test:
                _draw_mark(axes, mark, methods.index(mark.method))
        axes.set_title(wrapped(test, 30))
        axes.set_xlabel(f"{METRICS[metric].title}, %")
        axes.grid(axis="x", color="#dddddd", linewidth=0.4)
        axes.set_axisbelow(True)
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].set_ylim(len(labels) - 0.4, -0.6)


def _draw_mark(axes: Axes, mark: _Mark, place: int) -> None:
    color, shape = (_SEEN, "o") if mark.seen else (_UNSEEN, "D")
    if mark.low is not None and mark.high is not None:
        axes.plot([100 * mark.low, 100 * mark.high], [place, place], "-", color=color, linewidth=0.8)
    if len(mark.by_seed) > 1:
        seeds = [100 * value for value in mark.by_seed]
        axes.plot(seeds, [place + 0.3] * len(seeds), ".", color="#666666", markersize=2)
    axes.plot([100 * mark.mean], [place], shape, color=color, markerfacecolor="white" if mark.seen else color)
