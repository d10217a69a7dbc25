"""Tests of two methods on one test set, and of many tests together."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from pipeline.comparison.exchange import LEVEL, ExchangeTest, boundary

__all__ = ["holm", "mcnemar_exact", "two_source_interval", "two_source_p"]


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's exact test: are the units on which one head alone is right split evenly?

    Equation: p = min(1, 2 P(X <= min(b, c))), X ~ Binomial(b + c, 1/2); 1.0 where b + c = 0.

    Parameters
    ----------
    only_first, only_second : b and c, units that the first, or the second, head alone has right

    Notes
    -----
    Units count as independent: where several are of one person, p is too small.
    """
    n = only_first + only_second
    return min(1.0, 2 * float(stats.binom.cdf(min(only_first, only_second), n, 0.5))) if n else 1.0


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """p of several tests, so that the chance of any false finding among all of them is at most the level.

    Equation: in ascending order, p'_(i) = max_{j <= i} min(1, (m - j + 1) p_(j))   [Holm 1979]

    Parameters
    ----------
    p_values : shape (m,), in any order

    Returns
    -------
    float64, shape (m,), in the same order
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def two_source_interval(
    units: ExchangeTest, variance: float, degrees: int, level: float = LEVEL
) -> tuple[float, float]:
    """Interval of a difference with units and seeds as sources of variance.

    Equation: low = D - sqrt((D - low_units)^2 + t(df)^2 V_seeds), and so high   [Zou and Donner 2008]

    Parameters
    ----------
    units : of the mean difference D over the seeds
    variance, degrees : of D from seeds, and its degrees of freedom
    level : in (0, 1), two-sided

    Notes
    -----
    Each source has an interval at `level`, and their squares are added, on each side by itself (MOVER: Zou and Donner,
    "Construction of confidence limits about effect measures: a general approach", Statistics in Medicine 27, 2008).
    Banerjee ("Approximate confidence interval for linear functions of means of k populations when the population
    variances are not equal", Sankhya 22, 1960) showed for normal means that such an interval covers at least as often
    as those it is made of, whatever the share of each source. Satterthwaite's approximation, one quantile of Student's
    t for the sum of the variances, found a difference between equal methods in up to 8 of 100 simulations with three
    seeds.
    """
    low, high = units.interval(level)
    seeds = _seeds_half(variance, degrees, level)
    observed = units.observed
    below, above = math.hypot(observed - low, seeds), math.hypot(high - observed, seeds)
    return max(-1.0, observed - below), min(1.0, observed + above)


def two_source_p(units: ExchangeTest, variance: float, degrees: int) -> float:
    """Two-sided p: the smallest level whose `two_source_interval` leaves out 0. It agrees with the interval of 5 %."""
    size = abs(units.observed)

    def leaves_out_zero(level: float) -> bool:
        seeds = _seeds_half(variance, degrees, level)
        if seeds >= size:
            return False
        theta = math.copysign(size - math.sqrt(size**2 - seeds**2), units.observed)  # that units must leave out
        return units.p(theta) <= level

    low, high = two_source_interval(units, variance, degrees)
    if low <= 0 <= high:
        return boundary(leaves_out_zero, 1.0, math.nextafter(LEVEL, 1.0))
    return boundary(leaves_out_zero, LEVEL, 0.0)


def _seeds_half(variance: float, degrees: int, level: float) -> float:
    return abs(float(special.stdtrit(degrees, level / 2))) * math.sqrt(variance) if variance else 0.0
