"""Scores of one method on one test dataset over the seeds, and means over such cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from pipeline.footnotes import MOSTLY_SEEN
from pipeline.report.runs import ReportScore

__all__ = ["Cell", "Spread", "spread"]


@dataclass(frozen=True)
class Spread:
    """A mean over cells and seeds. `sd` is the sample deviation over the `n_seeds` seeds, None with fewer than two.

    Both are of the seeds that every cell has. Where the cells have no seed in common, `n_seeds` is 0 and the mean is
    over whatever seeds each cell has.
    """

    mean: float
    sd: float | None
    n_seeds: int


@dataclass(frozen=True)
class Cell:
    """One method with its settings, trained on `train` and scored on `test`, once per seed, on the same test images.

    `is_within`: both are of one dataset under one label rule. Where every seed gives the same head, there is one.
    """

    train: str
    test: str
    is_within: bool
    classes: tuple[str, ...]
    by_seed: Mapping[int, ReportScore]

    @property
    def first(self) -> ReportScore:
        """The score of the lowest seed; n, split and support are the same for every seed."""
        return self.by_seed[min(self.by_seed)]

    @property
    def encoder_saw(self) -> bool:
        """Whether the encoder itself was trained on the train split of `test`."""
        return any(score.encoder_saw for score in self.by_seed.values())

    @cached_property
    def overlap(self) -> float | None:
        """Share of the test rows whose bytes the heads were trained or selected on; None where it was not checked."""
        shares = [score.overlap_share for score in self.by_seed.values()]
        return max((share for share in shares if share is not None), default=0.0) if None not in shares else None

    @cached_property
    def is_unseen(self) -> bool:
        """Whether the heads were not trained on this dataset, nor on half of its rows under another name."""
        return not self.first.seen and (self.overlap or 0.0) < MOSTLY_SEEN

    def recall(self, name: str) -> float | None:
        """Mean recall of one expression over the seeds; None if it does not occur among the test images."""
        recalls = [value for score in self.by_seed.values() if (value := score.per_class.get(name)) is not None]
        return fmean(recalls) if recalls else None

    def confusion(self) -> list[list[int]]:
        """Counts summed over the seeds, shape (C, C), rows true."""
        tables = [score.confusion for score in self.by_seed.values()]
        return [[sum(counts) for counts in zip(*rows, strict=True)] for rows in zip(*tables, strict=True)]


def spread(cells: Sequence[Cell], metric: str) -> Spread:
    """Plain mean over one or more cells, and its deviation over seeds.

    Notes
    -----
    Mean and deviation are over the seeds that every cell has: a seed without one of the cells would otherwise look
    better or worse only because a dataset is missing.
    """
    seeds = sorted(set.intersection(*(set(cell.by_seed) for cell in cells)))
    means = [fmean(cell.by_seed[seed].value(metric) for cell in cells) for seed in seeds]
    if not means:
        return Spread(fmean(_mean(cell, metric) for cell in cells), None, 0)
    return Spread(fmean(means), stdev(means) if len(means) > 1 else None, len(seeds))


def _mean(cell: Cell, metric: str) -> float:
    return fmean(score.value(metric) for score in cell.by_seed.values())
