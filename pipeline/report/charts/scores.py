"""The answer of the page: methods in order of their mean on unseen datasets, and within -> unseen on every test set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.learning.metrics import METRICS
from pipeline.report.cells import Cell
from pipeline.report.charts.scales import Scale, Tick, fitted
from pipeline.report.column_notes import ColumnNote
from pipeline.report.comparison import ComparisonSet
from pipeline.report.formatting import MISSING, NO_COMMON_PAIR, mean_scope
from pipeline.report.groups import Group
from pipeline.report.intervals import BEST, TIED, Estimate, drop, estimate, standings
from pipeline.report.views import TableView

__all__ = ["Lane", "Panel", "Ranking", "Row", "drop_table", "rankings"]

_LEAST_RANGE = 0.1  # of an axis of scores
_LIMITS = (0.0, 1.0)


@dataclass(frozen=True)
class Mark:
    """A score on the axis: its place and those of its interval, in percent of the width; `reach` is None without."""

    at: float
    reach: tuple[float, float] | None


@dataclass(frozen=True)
class Lane:
    """Both scores of a method on one axis; `about` has them in words, `label` its rank and name where no table has."""

    label: str
    within: Mark | None
    unseen: Mark | None
    about: str


@dataclass(frozen=True)
class Row:
    """One method of a ranking; texts are in percent. `standing` says whether it is best, or tied; else it is empty."""

    method: str
    source: str
    is_stand_in: bool
    standing: str
    lane: Lane
    unseen: str
    interval: str
    within: str
    drop: str


@dataclass(frozen=True)
class Panel:
    """One test set: the same methods in the same order on the same axis. `note` is what to know of the test set."""

    title: str
    note: ColumnNote
    lanes: tuple[Lane, ...]


@dataclass(frozen=True)
class Ranking:
    """Methods whose means are over the same pairs, by one metric, the best first.

    `answer` is the ranking in a sentence. `by_unseen`: it is by the means on unseen datasets; else there are none.
    Panels are narrow: they have the same axis with fewer ticks, `panel_ticks`.
    """

    caption: str
    metric: str
    answer: str
    by_unseen: bool
    ticks: tuple[Tick, ...]
    panel_ticks: tuple[Tick, ...]
    rows: tuple[Row, ...]
    panels: tuple[Panel, ...]
    numbers: TableView


@dataclass(frozen=True)
class _Scored:
    """A group with its means within and on unseen datasets, and in each test set."""

    group: Group
    within: Estimate | None
    unseen: Estimate | None

    @property
    def drop(self) -> Estimate | None:
        return drop(self.within, self.unseen)

    @property
    def estimates(self) -> list[Estimate]:
        return [each for each in (self.within, self.unseen) if each]


def rankings(sets: Sequence[ComparisonSet], notes: dict[str, ColumnNote]) -> list[Ranking]:
    """A ranking per set of methods that can be compared and metric.

    Parameters
    ----------
    notes : of the test sets, by the name of their column
    """
    return [_ranking(comparison, metric, notes, i) for i, comparison in enumerate(sets) for metric in METRICS]


def _ranking(comparison: ComparisonSet, metric: str, notes: dict[str, ColumnNote], i: int) -> Ranking:
    whole = [_Scored(group, *_means(comparison, group, metric)) for group in comparison.groups]
    by_unseen = any(each.unseen for each in whole)
    ordered = sorted((each for each in whole if each.estimates), key=lambda each: _order(each, metric, by_unseen))
    tests = {test: _on_test(comparison, [each.group for each in ordered], test, metric) for test in notes}
    tests = {test: scored for test, scored in tests.items() if any(each.estimates for each in scored)}
    scale = _scale([*ordered, *(each for scored in tests.values() for each in scored)])
    ranks = standings([each.unseen if by_unseen else each.within for each in ordered], metric)
    title, what = METRICS[metric].title, "on unseen test sets" if by_unseen else "within the train dataset"
    return Ranking(
        f"{title} in percent, mean {what}, the best first"
        + (f". Set {i + 1}: no pair of train and unseen test dataset in common with the methods above" if i else ""),
        metric,
        _answer(ordered, ranks, metric, what),
        by_unseen,
        scale.ticks(),
        scale.ticks(4),
        tuple(
            _row(each, comparison, scale, rank) for each, rank in zip(ordered, _in_words(ranks, metric), strict=True)
        ),
        tuple(_panel(notes[test], scored, scale, title) for test, scored in tests.items()),
        drop_table(title, {notes[test].name: scored for test, scored in tests.items()}, i),
    )


def _means(comparison: ComparisonSet, group: Group, metric: str) -> tuple[Estimate | None, Estimate | None]:
    return estimate(comparison.within(group), metric), estimate(comparison.unseen(group), metric)


def _on_test(comparison: ComparisonSet, groups: Iterable[Group], test: str, metric: str) -> list[_Scored]:
    """The means of methods on one test set, over the pairs that all of them have."""

    def of_test(cells: Sequence[Cell]) -> list[Cell]:
        return [cell for cell in cells if cell.test == test]

    return [
        _Scored(
            group,
            estimate(of_test(comparison.within(group)), metric),
            estimate(of_test(comparison.unseen(group)), metric),
        )
        for group in groups
    ]


def _order(scored: _Scored, metric: str, by_unseen: bool) -> tuple[bool, float]:
    """The best first, those without such a mean last."""
    mean = scored.unseen if by_unseen else scored.within
    return (True, 0.0) if mean is None else (False, -METRICS[metric].rank(mean.value))


def _scale(scored: Iterable[_Scored]) -> Scale:
    ends = [end for each in scored for one in each.estimates for end in (one.value, *(one.bounds or ()))]
    return fitted([100 * end for end in ends or _LIMITS], 100 * _LEAST_RANGE, (0.0, 100.0))


def _row(scored: _Scored, comparison: ComparisonSet, scale: Scale, standing: str) -> Row:
    group = scored.group
    chosen = (
        (scored.unseen, comparison.unseen(group), comparison.n_unseen(group)),
        (scored.within, comparison.within(group), comparison.n_within(group)),
    )
    unseen, within = (_mean_text(mean, len(cells), n_own) for mean, cells, n_own in chosen)
    return Row(
        group.method,
        group.source,
        bool(group.note),
        standing,
        _lane(scored, scale, group.method),
        unseen,
        scored.unseen.interval if scored.unseen else MISSING,
        within,
        scored.drop.text if scored.drop else MISSING,
    )


def _in_words(ranks: Sequence[str], metric: str) -> list[str]:
    """The first one of those that are tied is not called best, but its mean is."""
    first = f"{'highest' if METRICS[metric].higher_is_better else 'lowest'} mean, {TIED}"
    return [first if not i and rank == TIED else rank for i, rank in enumerate(ranks)]


def _mean_text(mean: Estimate | None, n: int, n_own: int) -> str:
    """A mean over `n` pairs of the `n_own` that its method was scored on."""
    if mean is None:
        return NO_COMMON_PAIR if n_own else MISSING
    return f"{mean.marked} {mean_scope(n, n_own)}".strip()


def _lane(scored: _Scored, scale: Scale, name: str) -> Lane:
    parts = [
        f"{where} {mean.marked} (95 %: {mean.interval})" if mean.bounds else f"{where} {mean.marked}"
        for where, mean in (("unseen", scored.unseen), ("within", scored.within))
        if mean
    ]
    if scored.drop:
        parts.append(f"unseen minus within {scored.drop.text} points ({scored.drop.interval})")
    about = f"{scored.group.method} on {scored.group.source}: {', '.join(parts)}"
    return Lane(name, _mark(scored.within, scale), _mark(scored.unseen, scale), about)


def _mark(mean: Estimate | None, scale: Scale) -> Mark | None:
    if mean is None:
        return None
    low_high = mean.bounds and (scale.place(100 * mean.bounds[0]), scale.place(100 * mean.bounds[1]))
    return Mark(scale.place(100 * mean.value), low_high)


def _panel(note: ColumnNote, scored: Sequence[_Scored], scale: Scale, title: str) -> Panel:
    names = [f"{rank} {each.group.method}" for rank, each in enumerate(scored, start=1)]
    lanes = [_lane(each, scale, name) for each, name in zip(scored, names, strict=True) if each.estimates]
    return Panel(f"{title} on {note.name}", note, tuple(lanes))


def drop_table(title: str, tests: dict[str, Sequence[_Scored]], i: int = 0) -> TableView:
    """The numbers of the panels, one row per test set and method."""
    rows = [
        (name, each.group.method, each.group.source, *_numbers(each))
        for name, scored in tests.items()
        for each in scored
        if each.estimates
    ]
    where = f", set {i + 1}" if i else ""
    interval = "95 % interval"
    return TableView(
        f"{title} on each test set in percent, of heads trained on it and on others{where}",
        ("Tested on", "Method", "Encoder", "Within", interval, "Unseen", interval, "Difference", interval),
        tuple(rows),
        n_headers=3,
    )


def _numbers(scored: _Scored) -> list[str]:
    means = (scored.within, scored.unseen, scored.drop)
    return [text for mean in means for text in ((mean.marked, mean.interval) if mean else (MISSING, MISSING))]


def _answer(ordered: Sequence[_Scored], ranks: Sequence[str], metric: str, what: str) -> str:
    means = [(each, each.unseen if each.unseen else each.within) for each in ordered]
    (first, mean), *_ = means
    assert mean is not None
    name = f"{first.group.method} on {first.group.source}{' (stand-in)' if first.group.note else ''}"
    interval = f" (95 % interval {mean.interval})" if mean.bounds else ""
    superlative = "Highest" if METRICS[metric].higher_is_better else "Lowest"
    score = f"{mean.text} % {mean.symbols}".strip()
    text = f"{superlative} mean {METRICS[metric].label} {what}: {name}, {score}{interval}"
    if ranks[0] == BEST:
        return f"{text}. No other interval overlaps with its own, that of seeds included."
    tied = [f"{i} {each.group.method}" for i, each in enumerate(ordered, start=1) if ranks[i - 1] == TIED][1:]
    return f"{text}. Not distinguishable from it by intervals and seeds: {', '.join(tied)}." if tied else f"{text}."
