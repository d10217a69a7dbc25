"""The difference of two methods that were scored on the same units: how large, how sure, by units and by seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import stdev
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipeline.comparison.resampling import exchange_p, resampled_sums
from pipeline.comparison.significance import LEVEL, half_width, mcnemar_exact, two_source_p
from pipeline.errors import InputError, MismatchError

__all__ = ["COMPARED_METRICS", "PairedDifference", "PairedHits", "mean_score", "paired_difference"]

COMPARED_METRICS = ("uar", "accuracy")
"""Those of `pipeline.learning.metrics.METRICS` that are means of hits, so that a difference is a mean over units."""

N_RESAMPLES = 2000
_POWER = 0.8
_NOTHING = 1e-9  # less than any difference of scores

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class PairedHits:
    """Which units two methods have right, once per seed.

    Parameters
    ----------
    labels : shape (U,), any codes or names of the classes
    first, second : float, in [0, 1], shape (S, U): 1 where the head of a seed has a unit right; a fraction where a
        seed has several heads. A method without randomness has one row, however many the other has
    groups : shape (U,), of units that are alike, as those of one person; None where each is by itself
    """

    labels: npt.NDArray[np.generic]
    first: npt.NDArray[np.floating[Any]]
    second: npt.NDArray[np.floating[Any]]
    groups: npt.NDArray[np.generic] | None = None

    def __post_init__(self) -> None:
        n = len(self.labels)
        shapes = [self.first.shape[1:], self.second.shape[1:], *([] if self.groups is None else [self.groups.shape])]
        if not n:
            raise InputError("nothing to compare: expected at least one unit, found 0")
        if shapes != [(n,)] * len(shapes):
            raise MismatchError(f"hits and groups: expected {n} units, as there are labels, found {shapes}")
        if len(self.first) != len(self.second) and 1 not in (len(self.first), len(self.second)):
            raise MismatchError(
                f"seeds: expected as many of both methods, or one of a method without randomness, found "
                f"{len(self.first)} and {len(self.second)}"
            )

    @cached_property
    def differences(self) -> Floats:
        """First minus second, shape (S, U)."""
        return np.asarray(self.first, np.float64) - np.asarray(self.second, np.float64)

    @cached_property
    def group_codes(self) -> Codes:
        """Shape (U,), in [0, G)."""
        if self.groups is None:
            return np.arange(len(self.labels))
        codes: Codes = np.unique(self.groups, return_inverse=True)[1]
        return codes


@dataclass(frozen=True)
class PairedDifference:
    """The difference of two methods on one test set. Scores are fractions in [0, 1].

    Parameters
    ----------
    first, second : means over the seeds
    by_seed : first minus second, of each seed
    low, high : 95 % interval of the difference, with all sources of variance that are known
    p : two-sided, with all sources
    units_low, units_high, p_units : those of these very heads on other units alike: units are the only source
    n_units, n_groups : that were scored, and the independent groups that they are in
    n_discordant : units that the methods have right in different shares of their heads
    mcnemar : p of the exact test for each seed; empty where a seed has several heads
    smallest : the smallest true difference that a test at 5 % would find in 4 of 5 such test sets and choices of seeds
    """

    first: float
    second: float
    by_seed: tuple[float, ...]
    low: float
    high: float
    p: float
    units_low: float
    units_high: float
    p_units: float
    n_units: int
    n_groups: int
    n_discordant: int
    mcnemar: tuple[float, ...]
    smallest: float

    @property
    def difference(self) -> float:
        """First minus second, mean over the seeds."""
        return self.first - self.second

    @property
    def seed_sd(self) -> float | None:
        """Sample deviation of the difference over seeds; None of one seed."""
        return stdev(self.by_seed) if len(self.by_seed) > 1 else None


def mean_score(labels: npt.NDArray[np.generic], hits: npt.NDArray[np.floating[Any]], metric: str) -> float:
    """The score of a method by one of `COMPARED_METRICS`, mean over its seeds: labels (U,), hits (S, U)."""
    weights = _weights(_strata(labels, metric))
    return float((np.asarray(hits, np.float64) @ weights).mean())


def paired_difference(
    hits: PairedHits, metric: str, rng: np.random.Generator, n_resamples: int = N_RESAMPLES
) -> PairedDifference:
    """Compare two methods on the units that both were scored on.

    Parameters
    ----------
    metric : one of `COMPARED_METRICS`
    rng : of the resamples
    n_resamples : of the bootstrap

    Raises
    ------
    InputError
        If all units are of one group, or the metric is unknown.

    Notes
    -----
    **Interval of units**: percentiles of a bootstrap that draws groups whole. The units of each class keep their
    weight: a resample changes the sum of the deviations from the class's mean, never the number that it is divided by,
    so that no class is ever without units. Percentiles are too narrow where a class has few units (Hesterberg, "What
    teachers should know about the bootstrap", 2015): they are stretched to the width of Student's t, with a variance
    for which each class has one unit more, of the mean spread of all classes. Two methods that agree on both units of a
    class are so not taken to agree always.

    **p of units**: exchanges of the two methods' predictions, a group at a time (`exchange_p`). For accuracy, and where
    each unit is by itself, it is McNemar's test.

    **Seeds**: with two or more, the variance of the mean difference over seeds is the second source (`half_width`).
    The seeds' heads are scored on the same units, so that a part of the variance is in both sources: intervals are
    rather wide. With one seed nothing is known of other seeds: interval and p are of these two heads.
    """
    parts = _Parts.of(hits, metric)
    by_seed = hits.differences @ parts.weights
    n_seeds = len(by_seed)
    difference = float(by_seed.mean())
    units = (parts.variance, parts.degrees)
    seeds = (float(by_seed.var(ddof=1)) / n_seeds, n_seeds - 1) if n_seeds > 1 else (0.0, 0)
    units_low, units_high = _interval(parts, difference, n_resamples, rng)
    p_units = exchange_p(parts.effects, rng)
    half = half_width(units, seeds)
    several = n_seeds > 1
    return PairedDifference(
        first=mean_score(hits.labels, hits.first, metric),
        second=mean_score(hits.labels, hits.second, metric),
        by_seed=tuple(by_seed.tolist()),
        low=max(-1.0, difference - half) if several else units_low,
        high=min(1.0, difference + half) if several else units_high,
        p=two_source_p(difference, units, seeds) if several else p_units,
        units_low=units_low,
        units_high=units_high,
        p_units=p_units,
        n_units=len(hits.labels),
        n_groups=len(parts.deviations),
        n_discordant=int(np.count_nonzero(np.abs(hits.differences.mean(axis=0)) > _NOTHING)),
        mcnemar=_mcnemar(hits),
        smallest=half + float(stats.norm.ppf(_POWER)) * math.sqrt(units[0] + seeds[0]),
    )


@dataclass(frozen=True)
class _Parts:
    """What units and groups add to a difference.

    Parameters
    ----------
    weights : shape (U,): the score is the sum of the weights of right units
    effects : shape (G,): what each group adds to the difference
    deviations : shape (G,): the same from the means of the classes; they sum to 0
    variance, degrees : of the difference, from units, with its degrees of freedom
    """

    weights: Floats
    effects: Floats
    deviations: Floats
    variance: float
    degrees: float

    @classmethod
    def of(cls, hits: PairedHits, metric: str) -> _Parts:
        strata = _strata(hits.labels, metric)
        weights, counts = _weights(strata), np.bincount(strata)
        mean = hits.differences.mean(axis=0)
        means = np.bincount(strata, mean) / counts
        groups, n_groups = hits.group_codes, int(hits.group_codes.max()) + 1
        if n_groups < 2:
            raise InputError(
                f"expected units of two groups or more, found {len(hits.labels)} of one person or clip: how much the "
                "difference varies over others is not known. Compare on a dataset with more of them"
            )
        deviations = np.bincount(groups, weights * (mean - means[strata])).astype(np.float64)
        squares = np.bincount(strata, mean**2) / counts
        extra = (len(counts) * counts) ** -2.0 * (len(strata) * squares.mean() + 1) / (len(strata) + 1)
        variance = n_groups / (n_groups - 1) * float(deviations @ deviations) + float(extra.sum())
        degrees = _degrees(strata, groups, weights * (mean - means[strata]), extra)
        effects = np.bincount(groups, weights * mean).astype(np.float64)
        return cls(weights, effects, deviations, variance, min(n_groups - 1, degrees))


def _strata(labels: npt.NDArray[np.generic], metric: str) -> Codes:
    """Units of one stratum weigh the same, and all strata together the same: one for accuracy, the classes for UAR."""
    if metric not in COMPARED_METRICS:
        raise InputError(f"metric: expected {' or '.join(COMPARED_METRICS)}, found {metric!r}")
    return np.unique(labels, return_inverse=True)[1] if metric == "uar" else np.zeros(len(labels), np.intp)


def _weights(strata: Codes) -> Floats:
    """Of each unit, shape (U,): they sum to 1, and so do those of each stratum with as many as there are strata."""
    counts = np.bincount(strata)
    weights: Floats = (1 / (len(counts) * counts))[strata]
    return weights


def _degrees(strata: Codes, groups: Codes, deviations: Floats, extra: Floats) -> float:
    """Satterthwaite's degrees of freedom of a sum of variances, each of a stratum known by its groups."""
    n_groups = int(groups.max()) + 1
    cells, of_unit = np.unique(strata * n_groups + groups, return_inverse=True)
    in_cell = np.bincount(of_unit, deviations)
    of_cell = cells // n_groups
    variances = np.bincount(of_cell, in_cell**2) + extra
    return float(variances.sum() ** 2 / (variances**2 / np.bincount(of_cell)).sum())


def _interval(parts: _Parts, difference: float, n_resamples: int, rng: np.random.Generator) -> tuple[float, float]:
    """The interval of units: see `paired_difference`."""
    half = half_width((parts.variance, parts.degrees), (0.0, 0))
    sums = resampled_sums(parts.deviations, n_resamples, rng)
    low, high = (float(end) for end in np.quantile(sums, [LEVEL / 2, 1 - LEVEL / 2]))
    stretch = 2 * half / (high - low) if high - low > _NOTHING else 0.0
    low, high = (stretch * low, stretch * high) if stretch else (-half, half)
    return max(-1.0, difference + low), min(1.0, difference + high)


def _mcnemar(hits: PairedHits) -> tuple[float, ...]:
    differences = hits.differences
    whole: Sequence[bool] = [set(np.unique(side)) <= {0.0, 1.0} for side in (hits.first, hits.second)]
    if not all(whole):
        return ()
    return tuple(mcnemar_exact(int((row > 0).sum()), int((row < 0).sum())) for row in differences)
