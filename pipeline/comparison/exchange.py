"""The exchange of two methods' predictions: a test of any difference, and the interval of those that it accepts.

Groups are independent of each other. A unit that is alike no other is a group of its own. Equal groups are drawn
together, as counts: of 300,000 units that differ in their class and in the number of right heads alone, an exchange is
a draw of some dozen counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LEVEL", "ExchangeTest", "boundary", "exchange_p"]

Floats = npt.NDArray[np.float64]

LEVEL = 0.05
"""The share of equal methods that may seem different: tests are at this level, intervals at 1 - LEVEL."""
N_EXCHANGES = 5000
_MORE = 9  # times as many are drawn after the first, where p of those is below _SMALL
_SMALL = 0.01
_EXACT = 14  # groups, up to which all exchanges are counted
_MOST_GROUPS = 500  # that differ from each other: of more, some are exchanged together
_CHUNK = 2_000_000  # signs that are in memory at once
_DIGITS = 12  # values that are equal but for rounding are one
_SLACK = 1e-9  # relative, of sums that are equal but for rounding
_HALVINGS = 24


@dataclass(frozen=True, eq=False)
class ExchangeTest:
    """Which differences of two methods agree with the units that both were scored on?

    If both are equally good, either could have made either prediction: exchanged predictions of any group are as likely
    as the observed ones. p of the difference 0 is the share of exchanges whose difference is as large as the observed
    one. The difference theta is tested in the same way after it was subtracted from each unit's.

    Parameters
    ----------
    observed : the difference, sum of what each group adds
    effects : shape (M,), its value in each exchange
    weights : shape (M,), the same of the groups' weights: `effects - theta * weights` are the differences of theta
    is_exact : whether these are all exchanges, the observed one among them
    noise : shape (M,), standard normal
    variance : of the observed difference, over other groups
    n_groups, means, squares : shape (K,), of each stratum: in how many groups its units are, and the means of their
        differences and of the squares of those

    Notes
    -----
    p of 0 is exact for any number of groups: equal methods have p <= 0.05 in at most 5 % of all test sets. The interval
    has the differences that the test accepts, so that it leaves out 0 where p is at most 0.05 and nowhere else
    (Hartigan, "Using subsample values as typical values", JASA 64, 1969: it is that of the differences of random half
    samples). In econometrics it is the wild cluster bootstrap with the null imposed, inverted (Cameron, Gelbach and
    Miller, "Bootstrap-based improvements for inference with clustered errors", 2008).

    Two methods whose scores differ by theta have at least the share theta of units differ. Where a stratum has fewer,
    their variance is that of Tango's score interval, |theta| (1 - |theta|) a group ("Equivalence test and confidence
    interval for the difference in proportions for the paired-sample design", Statistics in Medicine 17, 1998): two
    methods that agree on both units of a class are not taken to agree always. It is 0 for theta 0.
    """

    observed: float
    effects: Floats
    weights: Floats
    is_exact: bool
    noise: Floats
    variance: float
    n_groups: npt.NDArray[np.int64]
    means: Floats
    squares: Floats

    @classmethod
    def of(
        cls,
        strata: npt.NDArray[np.intp],
        groups: npt.NDArray[np.intp],
        differences: Floats,
        rng: np.random.Generator,
        n_exchanges: int = N_EXCHANGES,
    ) -> ExchangeTest:
        """Draw the exchanges.

        Parameters
        ----------
        strata, groups : shape (U,), codes from 0, each with a unit: units of a stratum weigh the same, and all strata
            together the same
        differences : shape (U,), in [-1, 1], first minus second of each unit
        n_exchanges : that are drawn, ten times as many where p is small; all are counted for few groups
        """
        counts = np.bincount(strata)
        weights = (1 / (len(counts) * counts))[strata]
        values = _sums_of(groups, np.stack([weights * differences, weights], axis=1))
        sums, is_exact = _exchanges(values, rng, n_exchanges)
        means, squares = (np.bincount(strata, differences**power) / counts for power in (1, 2))
        noise = rng.standard_normal(len(sums))
        observed = float(values[:, 0].sum())
        variance = len(values) / (len(values) - 1) * float(((values @ (1, -observed)) ** 2).sum())
        cells = np.unique(strata * len(values) + groups) // len(values)
        return cls(observed, sums[:, 0], sums[:, 1], is_exact, noise, variance, np.bincount(cells), means, squares)

    def p(self, theta: float = 0.0) -> float:
        """Two-sided p of the difference `theta`, in (0, 1]."""
        missing = abs(theta) * (1 - abs(theta)) - (self.squares - 2 * theta * self.means + theta**2)
        sd = math.sqrt(float((np.maximum(missing, 0) / self.n_groups).sum())) / len(self.means)
        sums, observed = self.effects - theta * self.weights, self.observed - theta
        p = _share(sums, observed, self.is_exact)
        # noise makes equal sums unequal, and so may lower p: it may only add to what is accepted
        return max(p, _share(sums + sd * self.noise, observed, self.is_exact)) if sd else p

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The smallest and the largest difference with p above `level`, in [-1, 1]; without 0 where its p is not."""
        with_zero = self.p() > level
        low, high = (min(self.observed, 0.0), max(self.observed, 0.0)) if with_zero else (self.observed, self.observed)
        outer = (-1.0 if with_zero or self.observed < 0 else 0.0, 1.0 if with_zero or self.observed > 0 else 0.0)
        ends = [
            inside if inside == outside else boundary(lambda theta: self.p(theta) > level, inside, outside)
            for inside, outside in ((max(low, -1.0), outer[0]), (min(high, 1.0), outer[1]))
        ]
        return ends[0], ends[1]


def boundary(accepts: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where `accepts` ends between a value that it accepts and another; the other where it accepts that, too."""
    if accepts(outside):
        return outside
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if accepts(middle) else (inside, middle)
    return inside


def exchange_p(values: Floats, rng: np.random.Generator) -> float:
    """Two-sided p of a sum, where each sign of its values is as likely as the other.

    Parameters
    ----------
    values : float64, shape (G,): what each group adds to the difference of the methods

    Returns
    -------
    in (0, 1]; 1.0 where all values are 0

    Notes
    -----
    All choices of signs are counted for up to 14 values that are not 0. For more, 5,000 are drawn, and 50,000 where p
    of these is below 0.01: p is at least 0.00002. The observed choice counts as one of those that are drawn.
    """
    changed = values[np.abs(values) > 10.0**-_DIGITS]
    sums, is_exact = _exchanges(changed[:, None], rng, N_EXCHANGES)
    return _share(sums[:, 0], float(changed.sum()), is_exact)


def _share(sums: Floats, observed: float, is_exact: bool) -> float:
    """Of the sums that are as far from 0 as the observed one, which is one of them."""
    reached = int(np.count_nonzero(np.abs(sums) >= abs(observed) * (1 - _SLACK) - 10.0**-_DIGITS))
    return reached / len(sums) if is_exact else (reached + 1) / (len(sums) + 1)


def _exchanges(values: Floats, rng: np.random.Generator, n: int) -> tuple[Floats, bool]:
    """Sums (M, K) of values (G, K), with a sign for each row, and whether they are those of all choices of signs."""
    if len(values) <= _EXACT:
        signs = 1.0 - 2 * (np.arange(2 ** len(values))[:, None] >> np.arange(len(values)) & 1)
        return signs @ values, True
    distinct, counts = _counted(values, rng)
    sums = _drawn(distinct, counts, n, rng)
    if _share(sums[:, 0], float(values[:, 0].sum()), False) < _SMALL:
        sums = np.concatenate([sums, _drawn(distinct, counts, _MORE * n, rng)])
    return sums, False


def _drawn(distinct: Floats, counts: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> Floats:
    """Sums (n, K) of distinct values, each as often as it is counted and with signs that are drawn."""
    step = max(1, _CHUNK // len(distinct))
    sizes = [min(step, n - start) for start in range(0, n, step)]
    return np.concatenate([_nets(counts, size, rng).T @ distinct for size in sizes])


def _nets(counts: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> Floats:
    """How often a sign was plus less how often it was minus, shape (len(counts), n)."""
    shape = (len(counts), n)
    ones = counts.max() == 1  # bits are binomials of one, in a tenth of the time
    plus = rng.integers(0, 2, shape, dtype=np.int8) if ones else rng.binomial(counts[:, None], 0.5, shape)
    return (2.0 * plus - counts[:, None]).astype(np.float64)


def _counted(values: Floats, rng: np.random.Generator) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Distinct rows, and how often each occurs. Of more than 500 some are joined at random, and exchanged together.

    The exchange of joined groups is one of those of the groups: the test is exact with any choice of what is joined.
    """
    order = np.lexsort(values.round(_DIGITS).T)
    ordered = values[order]
    starts = np.flatnonzero(np.append(True, (np.diff(ordered.round(_DIGITS), axis=0) != 0).any(axis=1)))
    if len(starts) <= _MOST_GROUPS:
        return ordered[starts], np.diff(np.append(starts, len(values)))
    joined = rng.permutation(len(values)) % _MOST_GROUPS
    return _sums_of(joined, values), np.ones(_MOST_GROUPS, np.int64)


def _sums_of(groups: npt.NDArray[np.intp], values: Floats) -> Floats:
    """Sums (G, K) of the values (U, K) of each group."""
    return np.stack([np.bincount(groups, column) for column in values.T], axis=1).astype(np.float64)
