"""Which methods can be compared, over which pairs of train and test dataset, and how far they are from the baseline.

Test datasets differ in difficulty. Means that are compared are therefore over the pairs that all compared methods were
scored on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.learning.metrics import METRICS
from pipeline.report.cells import Cell, spread
from pipeline.report.groups import Group
from pipeline.report.runs import NO_TRAINING, Kind

__all__ = ["BASELINE", "ComparisonSet", "Pair", "baseline_of", "comparison_sets", "gain", "one_per_dataset"]

BASELINE = "baseline"

Pair = tuple[str, str]
"""The names of a train and of a test dataset."""


@dataclass(frozen=True)
class ComparisonSet:
    """Groups whose means are compared, in one table or figure.

    A group that was scored on no pair of a kind has no mean of that kind, and does not narrow the means of the others.

    Notes
    -----
    Where nothing is trained, every pair has the score of its test dataset: a test dataset counts as often as it does in
    the means of the other groups.
    """

    groups: tuple[Group, ...]

    @cached_property
    def within_pairs(self) -> tuple[Pair, ...]:
        """The pairs within one dataset that every group with such a pair was scored on."""
        return _once_per_dataset(self.groups, _common(self.groups, Group.within))

    @cached_property
    def unseen_pairs(self) -> tuple[Pair, ...]:
        """The pairs of train and unseen test dataset that every group with such a pair was scored on."""
        return _once_per_dataset(self.groups, _common(self.groups, Group.unseen))

    @property
    def has_means(self) -> bool:
        """Whether there is any pair that a mean can be over."""
        return bool(self.within_pairs or self.unseen_pairs)

    def within(self, group: Group) -> list[Cell]:
        """The cells that a mean of `group` within datasets is over."""
        return _cells(group, self.within_pairs) if group.within() else []

    def unseen(self, group: Group, train: str | None = None) -> list[Cell]:
        """The cells that a mean of `group` on unseen datasets is over, of one train dataset or of all."""
        return _cells(group, self.unseen_pairs, train) if group.unseen() else []

    def n_within(self, group: Group) -> int:
        """How many pairs within one dataset the group was scored on, common or not."""
        return len(one_per_dataset(group.within()))

    def n_unseen(self, group: Group, train: str | None = None) -> int:
        """How many pairs with an unseen test dataset the group has a score for, common or not."""
        pairs = self._own_unseen(group)
        return len({(pair[0], cell.first.dataset) for pair in pairs for cell in _cells(group, [pair], train)})

    def n_seeds(self, group: Group) -> list[int]:
        """How many seeds each of the group's means is over: within datasets and on unseen ones, where there is one."""
        metric = next(iter(METRICS))
        return [spread(cells, metric).n_seeds for cells in (self.within(group), self.unseen(group)) if cells]

    def _own_unseen(self, group: Group) -> set[Pair]:
        own = {(cell.train, cell.test) for cell in group.unseen()}
        if group.kind is not Kind.UNTRAINED:
            return own
        tests = {test for _, test in own}
        trained = (other for other in self.groups if other.kind is not Kind.UNTRAINED)
        return {(cell.train, cell.test) for other in trained for cell in other.unseen() if cell.test in tests} or own


def comparison_sets(groups: Sequence[Group]) -> list[ComparisonSet]:
    """The groups, in as few sets as have a pair of train and unseen test dataset in common, in the order given.

    Groups that were scored on no such pair are in the first set. Usually there is one set.
    """
    sets: list[list[Group]] = []
    for group in sorted(groups, key=lambda group: (group.kind is Kind.UNTRAINED, -len(group.unseen()))):
        fitting = (members for members in sets if not group.unseen() or _common([*members, group], Group.unseen))
        members = next(fitting, None)
        if members is None:
            sets.append([group])
        else:
            members.append(group)
    return [ComparisonSet(tuple(group for group in groups if group in members)) for members in sets]


def one_per_dataset(cells: Iterable[Cell]) -> list[Cell]:
    """One cell for each train and test dataset: a dataset in several columns would count more than once in a mean.

    Scores without overlapping rows come first, then those that more seeds have.
    """
    ranked = sorted(cells, key=lambda cell: (not cell.first.without_overlap, -len(cell.by_seed), cell.test))
    chosen: dict[Pair, Cell] = {}
    for cell in ranked:
        chosen.setdefault((cell.train, cell.first.dataset), cell)
    return sorted(chosen.values(), key=lambda cell: (cell.train, cell.test))


def baseline_of(groups: Sequence[Group], encoder: str) -> Group | None:
    """The scored image baseline on the pixels in the stores of an encoder; None without one, or with several.

    Baselines with different settings count as several: it is not defined which one to compare with.
    """
    baselines = [group for group in groups if (group.encoder, group.base) == (encoder, BASELINE) and group.cells]
    return baselines[0] if len(baselines) == 1 else None


def gain(group: Group, baseline: Group, metric: str, comparison: ComparisonSet) -> float | None:
    """Mean of score minus baseline's score on unseen datasets, over the pairs that all groups of `comparison` have.

    Returns
    -------
    fraction in [-1, 1]; None if there is no such pair, or one of both has none.
    """
    baseline_cells, cells = comparison.unseen(baseline), comparison.unseen(group)
    return _mean(cells, metric) - _mean(baseline_cells, metric) if baseline_cells and cells else None


def _mean(cells: Sequence[Cell], metric: str) -> float:
    return spread(cells, metric).mean


def _common(groups: Sequence[Group], cells_of: Callable[[Group], list[Cell]]) -> set[Pair]:
    scored = {id(group): {(cell.train, cell.test) for cell in cells} for group in groups if (cells := cells_of(group))}
    trained = [scored[id(group)] for group in groups if id(group) in scored and group.kind is not Kind.UNTRAINED]
    untrained = [scored[id(group)] for group in groups if id(group) in scored and group.kind is Kind.UNTRAINED]
    pairs = set.intersection(*(trained or untrained or [set()]))
    for tests in ({test for _, test in scored_pairs} for scored_pairs in untrained):
        pairs = {(train, test) for train, test in pairs if test in tests}
    return pairs


def _once_per_dataset(groups: Sequence[Group], pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Of several columns of one dataset, each train dataset keeps one, the same for all groups."""
    cells = [(pair, cell) for pair in pairs for group in groups if (cell := _cell(group, pair))]
    n_scores = Counter(pair[1] for pair, _ in cells)
    chosen: dict[Pair, Pair] = {}

    def rank(item: tuple[Pair, Cell]) -> tuple[bool, int, Pair]:
        pair, cell = item
        return (not cell.first.without_overlap, -n_scores[pair[1]], pair)

    for pair, cell in sorted(cells, key=rank):
        chosen.setdefault((pair[0], cell.first.dataset), pair)
    return tuple(sorted(chosen.values()))


def _cells(group: Group, pairs: Sequence[Pair], train: str | None = None) -> list[Cell]:
    chosen = [(pair, cell) for pair in pairs if (cell := _cell(group, pair))]
    return [cell for pair, cell in chosen if train in (None, pair[0], cell.train)]


def _cell(group: Group, pair: Pair) -> Cell | None:
    return group.cells.get(pair) or group.cells.get((NO_TRAINING, pair[1]))
