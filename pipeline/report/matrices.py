"""Train x test matrices: one per method and metric, all in the same colours, with what guessing scores below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from pipeline.marks import marked
from pipeline.report.formatting import MISSING, interval_text, marked_text, percent, spread_text
from pipeline.report.groups import Cell, Group, spread
from pipeline.report.heat import background
from pipeline.report.markup import HeatCell, MatrixView
from pipeline.report.scores import METRIC_NAMES, METRICS, Score

__all__ = ["UNSEEN", "matrices"]

UNSEEN = "mean unseen"
_EMPTY = HeatCell(MISSING, "", "", is_seen=False, about="")


def matrices(groups: Sequence[Group], tests: Sequence[str]) -> list[MatrixView]:
    """The matrices of all methods that were scored, by every metric, in the order of the groups.

    Parameters
    ----------
    tests : the columns, the same for all, so that equal places are equal datasets
    """
    return [_matrix(group, tests, metric) for group in groups if group.cells for metric in METRICS]


def _matrix(group: Group, tests: Sequence[str], metric: str) -> MatrixView:
    unseen = group.unseen()
    columns = [marked(test, any(cell.encoder_saw for cell in _tested_on(group, test))) for test in tests]
    return MatrixView(
        f"{METRIC_NAMES[metric]} of {group.method} on {group.source}",
        metric,
        f"within {marked_text(group.within(), metric)} · unseen {marked_text(unseen, metric)}",
        (*columns, marked(UNSEEN, any(cell.encoder_saw for cell in unseen))),
        tuple((train, _row(group, train, tests, metric)) for train in group.trains),
        (
            ("most frequent", _reference(group, tests, lambda score: score.majority(metric))),
            ("guessing", _reference(group, tests, lambda score: score.chance)),
        ),
        bool(group.note),
    )


def _tested_on(group: Group, test: str) -> list[Cell]:
    return [cell for cell in group.cells.values() if cell.test == test]


def _row(group: Group, train: str, tests: Sequence[str], metric: str) -> tuple[HeatCell, ...]:
    cells = [group.cells.get((train, test)) for test in tests]
    scored = [_EMPTY if cell is None else _heat([cell], metric, _about(cell, metric)) for cell in cells]
    unseen = group.unseen(train)
    return (*scored, _heat(unseen, metric, _about_mean(unseen)) if unseen else _EMPTY)


def _heat(cells: Sequence[Cell], metric: str, about: str) -> HeatCell:
    measured, text = spread(cells, metric), spread_text(cells, metric)
    mean, _, deviation = text.partition(" ")
    is_seen = any(cell.first.seen for cell in cells)
    return HeatCell(mean, deviation, background(measured.mean), is_seen=is_seen, about=about)


def _about(cell: Cell, metric: str) -> str:
    score = cell.first
    seeds = [
        f"seed {seed}: {percent(one.value(metric), one.n)} (95 % interval {interval_text(one.ci95[metric], one.n)})"
        for seed, one in sorted(cell.by_seed.items())
    ]
    where = f"trained on {cell.train}, tested on {cell.test}{' (seen)' if score.seen else ''}"
    return "\n".join([where, *seeds, f"split {score.split}, n {score.n:,}, rejected {score.rejected:,}"])


def _about_mean(cells: Sequence[Cell]) -> str:
    return f"plain mean over {', '.join(cell.test for cell in cells)}"


def _reference(group: Group, tests: Sequence[str], value: Callable[[Score], float]) -> tuple[str, ...]:
    """Of every test set, and in the mean over the same unseen pairs as the method's own."""
    texts = [percent(value(found[0].first)) if (found := _tested_on(group, test)) else MISSING for test in tests]
    unseen = [value(cell.first) for cell in group.unseen()]
    return (*texts, percent(fmean(unseen)) if unseen else MISSING)
