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

from pipeline.comparison.exchange import N_EXCHANGES, ExchangeTest
from pipeline.comparison.significance import mcnemar_exact, two_source_interval, two_source_p
from pipeline.errors import InputError, MismatchError

__all__ = ["COMPARED_METRICS", "PairedDifference", "PairedHits", "mean_score", "paired_difference"]

COMPARED_METRICS = ("uar", "accuracy")
"""Those of `pipeline.learning.metrics.METRICS` that are means of hits, so that a difference is a mean over units."""

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
    hits: PairedHits, metric: str, rng: np.random.Generator, n_exchanges: int = N_EXCHANGES
) -> PairedDifference:
    """Compare two methods on the units that both were scored on.

    Parameters
    ----------
    metric : one of `COMPARED_METRICS`
    rng : of the exchanges
    n_exchanges : of the two methods' predictions

    Raises
    ------
    InputError
        If all units are of one group, or the metric is unknown.

    Notes
    -----
    **Units**: exchanges of the two methods' predictions, a group at a time; the interval has the differences that this
    test accepts (`ExchangeTest`). For accuracy, and where each unit is by itself, p is that of McNemar's test.

    **Seeds**: with two or more, the variance of the mean difference over seeds is the second source
    (`two_source_interval`). The seeds' heads are scored on the same units, so that a part of the variance is in both
    sources: intervals are rather wide. With one seed nothing is known of other seeds: interval and p are of these two
    heads.
    """
    strata, groups = _strata(hits.labels, metric), hits.group_codes
    _require_groups(groups)
    mean = hits.differences.mean(axis=0)
    by_seed = hits.differences @ _weights(strata)
    units = ExchangeTest.of(strata, groups, mean, rng, n_exchanges)
    n_seeds = len(by_seed)
    seeds = float(by_seed.var(ddof=1)) / n_seeds if n_seeds > 1 else 0.0
    units_low, units_high = units.interval()
    low, high = two_source_interval(units, seeds, n_seeds - 1) if seeds else (units_low, units_high)
    return PairedDifference(
        first=mean_score(hits.labels, hits.first, metric),
        second=mean_score(hits.labels, hits.second, metric),
        by_seed=tuple(by_seed.tolist()),
        low=low,
        high=high,
        p=two_source_p(units, seeds, n_seeds - 1) if seeds else units.p(),
        units_low=units_low,
        units_high=units_high,
        p_units=units.p(),
        n_units=len(hits.labels),
        n_groups=int(groups.max()) + 1,
        n_discordant=int(np.count_nonzero(np.abs(mean) > _NOTHING)),
        mcnemar=_mcnemar(hits),
        smallest=(high - low) / 2 + float(stats.norm.ppf(_POWER)) * math.sqrt(units.variance + seeds),
    )


def _require_groups(groups: Codes) -> None:
    if groups.max() == 0:
        raise InputError(
            f"expected units of two groups or more, found {len(groups)} of one person or clip: how much the difference "
            "varies over others is not known. Compare on a dataset with more of them"
        )


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


def _mcnemar(hits: PairedHits) -> tuple[float, ...]:
    differences = hits.differences
    whole: Sequence[bool] = [set(np.unique(side)) <= {0.0, 1.0} for side in (hits.first, hits.second)]
    if not all(whole):
        return ()
    return tuple(mcnemar_exact(int((row > 0).sum()), int((row < 0).sum())) for row in differences)
