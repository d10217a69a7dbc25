"""Scores of the folds of one dataset as one number: the mean over folds, or of their counts together.

Papers report either. They differ where folds differ in size or in what classes they hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

import numpy as np
import numpy.typing as npt

from pipeline.learning.metrics import METRICS
from pipeline.learning.statistics import Interval
from pipeline.records.score import Score

__all__ = ["FoldScores", "folds_text"]


def folds_text(numbers: tuple[int, ...], n: int) -> str:
    """`5 folds`, or which of them where some are missing: `3 of 5 folds (1, 2, 4)`."""
    if len(numbers) == n:
        return f"{n} folds"
    return f"{len(numbers)} of {n} folds ({', '.join(map(str, numbers))})"


@dataclass(frozen=True)
class FoldScores:
    """Scores of heads that differ in their fold only, on one split of one dataset.

    Parameters
    ----------
    by_number : number of the fold -> score of its head
    n : K, folds of the dataset that the heads were trained on
    """

    by_number: Mapping[int, Score]
    n: int

    @property
    def scores(self) -> tuple[Score, ...]:
        """In the order of the folds."""
        return tuple(self.by_number[number] for number in sorted(self.by_number))

    @property
    def text(self) -> str:
        """Which folds: see `folds_text`."""
        return folds_text(tuple(sorted(self.by_number)), self.n)

    @property
    def has_own_rows(self) -> bool:
        """Whether each head was scored on the rows of its fold; else all on the same rows of another dataset."""
        return all(score.fold for score in self.scores)

    def mean(self, metric: str) -> float:
        """The plain mean over folds: every fold counts as much, whatever its size."""
        return fmean(score.value(metric) for score in self.scores)

    def deviation(self, metric: str) -> float | None:
        """The sample standard deviation over folds; None of one fold."""
        values = [score.value(metric) for score in self.scores]
        return stdev(values) if len(values) > 1 else None

    @cached_property
    def confusion(self) -> npt.NDArray[np.int64]:
        """The confusion counts of all folds together, (C, C), rows true."""
        return np.asarray(np.sum([score.confusion for score in self.scores], axis=0), np.int64)

    def pooled(self, metric: str) -> float:
        """The score of the counts of all folds together: every unit counts as much."""
        return METRICS[metric].score(self.confusion)

    def bounds(self, metric: str) -> Interval | None:
        """The 95 % interval of the pooled score, over the units of all folds; None for a metric without.

        Notes
        -----
        Units count as independent. Clips of one person are not, and neither are the heads of several folds, which share
        most of their train rows: the true interval is wider.
        """
        interval = METRICS[metric].interval
        return interval(self.confusion) if interval else None
