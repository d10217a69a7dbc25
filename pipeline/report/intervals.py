"""95 % intervals of means over scores, and which methods these intervals cannot tell from the best one.

Source: Zou and Donner, "Construction of confidence limits about effect measures: a general approach", Statistics in
Medicine 27 (2008): the method of variance estimates recovery.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline.learning.metrics import METRICS
from pipeline.report.cells import Cell, Spread, shared_seeds, spread
from pipeline.report.formatting import MISSING, interval_text, points_text, spread_text, with_footnotes

__all__ = ["BEST", "TIED", "Estimate", "drop", "estimate", "standings"]

BEST = "best"
TIED = "tied"

# The 97.5 % points of Student's t with 1, 2, ... degrees of freedom; with more, that of the last one, which is greater.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120)

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A mean score over cells, a fraction, or a difference of two.

    `bounds` is its 95 % interval, None where the metric has none; `text` and `interval` are both in percent. `symbols`
    are those of its cells: of test data that was trained on, and of what audits found. `seeds` is half the width of the
    95 % interval of the mean over seeds, by Student's t; 0 with fewer than two.
    """

    value: float
    bounds: Bounds | None
    text: str
    interval: str
    symbols: str = ""
    seeds: float = 0.0

    @property
    def reach(self) -> Bounds | None:
        """The interval of test images and seeds together."""
        if self.bounds is None:
            return None
        low, high = self.bounds
        return (
            self.value - math.hypot(self.value - low, self.seeds),
            self.value + math.hypot(high - self.value, self.seeds),
        )

    @property
    def marked(self) -> str:
        """The text with its symbols."""
        return f"{self.text} {self.symbols}".strip()


def estimate(cells: Sequence[Cell], metric: str) -> Estimate | None:
    """The plain mean of some cells with its interval; None without cells.

    Equation: low = m - sqrt(sum_t (sum_{i of t} (m_i - low_i) / k)^2), and high accordingly: of k scores, those on
    images of one dataset t are taken as fully dependent, those on different datasets as independent. Heads of several
    seeds are scored on the same images, so that their bounds are averaged.
    """
    if not cells:
        return None
    measured, n = spread(cells, metric), min(cell.first.n for cell in cells)
    mean = measured.mean
    distances = _distances(cells, metric)
    bounds = None if distances is None else (max(0.0, mean - distances[0]), min(1.0, mean + distances[1]))
    interval, symbols = interval_text(bounds, n) if bounds else MISSING, with_footnotes("", cells).strip()
    return Estimate(mean, bounds, spread_text(cells, metric), interval, symbols, _seeds_reach(measured))


def drop(within: Estimate | None, unseen: Estimate | None) -> Estimate | None:
    """How much lower a score is on unseen datasets, in percentage points; None where one of both is missing.

    Notes
    -----
    Both are taken as independent. Where they share test images, the true interval of the difference is narrower.
    """
    if within is None or unseen is None:
        return None
    value = unseen.value - within.value
    if within.bounds is None or unseen.bounds is None:
        return Estimate(value, None, points_text(value), MISSING)
    low = value - math.hypot(unseen.value - unseen.bounds[0], within.bounds[1] - within.value)
    high = value + math.hypot(unseen.bounds[1] - unseen.value, within.value - within.bounds[0])
    return Estimate(value, (low, high), points_text(value), f"{points_text(low)} to {points_text(high)}")


def standings(estimates: Sequence[Estimate | None], metric: str) -> list[str]:
    """Of each estimate BEST, TIED or nothing: which is best, and which intervals overlap with the best one's.

    Intervals are those of test images and seeds together. The best one is TIED itself where another one is. Nothing is
    best of one.

    Notes
    -----
    Methods are scored on the same images: a paired test can tell methods apart whose intervals overlap. That two of
    95 % do not overlap asks for more than a test at 5 % does.
    """
    known = [each for each in estimates if each]
    if len(known) < 2:
        return [""] * len(estimates)
    best = max(known, key=lambda each: METRICS[metric].rank(each.value))
    near = [each is not None and _overlap(each, best) for each in estimates]
    if sum(near) > 1:
        return [TIED if one else "" for one in near]
    return [BEST if each is best else "" for each in estimates]


def _overlap(one: Estimate, other: Estimate) -> bool:
    """Whether two intervals overlap; without intervals only equal values are tied."""
    if one.reach is None or other.reach is None:
        return one.value == other.value
    return one.reach[0] <= other.reach[1] and other.reach[0] <= one.reach[1]


def _seeds_reach(measured: Spread) -> float:
    if measured.sd is None:
        return 0.0
    return _T[min(measured.n_seeds - 1, len(_T)) - 1] * measured.sd / math.sqrt(measured.n_seeds)


def _distances(cells: Sequence[Cell], metric: str) -> Bounds | None:
    """How far below and above the mean its interval reaches; None where a score has no interval."""
    by_dataset: dict[str, list[Bounds]] = {}
    for cell in cells:
        distances = _cell_distances(cell, shared_seeds(cells) or tuple(cell.by_seed), metric)
        if distances is None:
            return None
        by_dataset.setdefault(cell.first.dataset, []).append(distances)
    low, high = (
        math.sqrt(sum(sum(each[end] for each in same) ** 2 for same in by_dataset.values())) / len(cells)
        for end in (0, 1)
    )
    return low, high


def _cell_distances(cell: Cell, seeds: Sequence[int], metric: str) -> Bounds | None:
    chosen = [score for seed, score in cell.by_seed.items() if seed in seeds]
    pairs = [(score.value(metric), score.bounds(metric)) for score in chosen]
    if any(bounds is None for _, bounds in pairs):
        return None
    known = [(value, bounds) for value, bounds in pairs if bounds]
    # The mean over folds can be outside of the interval of their counts together.
    below = fmean(max(0.0, value - low) for value, (low, _) in known)
    return below, fmean(max(0.0, high - value) for value, (_, high) in known)
