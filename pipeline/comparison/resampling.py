"""Resampling of groups that are independent of each other. A unit that is alike no other is a group of its own.

Equal groups are drawn together, as counts: of units that differ in their class and in the number of right heads alone,
a resample of 300,000 is a draw of some dozen counts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["exchange_p", "resampled_sums"]

Floats = npt.NDArray[np.float64]

_DIGITS = 12  # values that are equal but for rounding are one
_BINS = 500  # of values, where more are distinct: each becomes the mean of those within 1/500 of their range
_EXACT = 14  # groups, up to which all exchanges are counted
_ENOUGH = 100  # exchanges that reach the observed difference, after which no more are drawn
_FIRST, _MOST = 500, 50_000  # exchanges that are drawn at first, and at most


def resampled_sums(values: Floats, n_resamples: int, rng: np.random.Generator) -> Floats:
    """Sums of bootstrap resamples: each of as many groups as there are, drawn with replacement.

    Parameters
    ----------
    values : float64, shape (G,), of each group

    Returns
    -------
    float64, shape (n_resamples,)
    """
    distinct, counts = _counted(values)
    sums: Floats = rng.multinomial(len(values), counts / len(values), n_resamples) @ distinct
    return sums


def exchange_p(values: Floats, rng: np.random.Generator) -> float:
    """Two-sided p of a sum, under exchanges of the two methods' predictions for each group by itself.

    If both methods are equally good, either could have made either prediction: each sign of `values` is as likely as
    the other. p is the share of all choices of signs whose sum is as far from 0 as the observed one, or farther.

    Parameters
    ----------
    values : float64, shape (G,): what each group adds to the difference of the methods

    Returns
    -------
    in (0, 1]; 1.0 where all values are 0

    Notes
    -----
    All choices are counted for up to 14 groups that are not 0. For more they are drawn, 50,000 at most, and fewer where
    100 have reached the observed sum (Besag and Clifford, "Sequential Monte Carlo p-values", Biometrika 78, 1991): p is
    then at least 0.00002, and valid after however many draws.
    """
    sizes = np.abs(values.round(_DIGITS))
    sizes, observed = sizes[sizes > 0], abs(float(values.sum()))
    threshold = observed * (1 - 1e-9) - 10.0**-_DIGITS
    if len(sizes) <= _EXACT:
        signs = 1 - 2 * (np.arange(2 ** len(sizes))[:, None] >> np.arange(len(sizes)) & 1)
        return float(np.mean(np.abs(signs @ sizes) >= threshold))
    distinct, counts = _counted(sizes)
    reached = drawn = 0
    while drawn < _MOST:
        n = min(max(_FIRST, 3 * drawn), _MOST - drawn)
        hits = np.flatnonzero(np.abs(_signed_sums(distinct, counts, n, rng)) >= threshold)
        if reached + len(hits) >= _ENOUGH:
            return _ENOUGH / (drawn + int(hits[_ENOUGH - reached - 1]) + 1)
        reached, drawn = reached + len(hits), drawn + n
    return (reached + 1) / (_MOST + 1)


def _signed_sums(sizes: Floats, counts: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> Floats:
    """Sums of the sizes, each as often as it is counted and with a sign that is drawn."""
    sums = np.zeros(n)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        sums += size * (2 * rng.binomial(count, 0.5, n) - count)
    return sums


def _counted(values: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Distinct values, and how often each occurs; at most some hundred of them."""
    distinct, counts = np.unique(values.round(_DIGITS), return_counts=True)
    if len(distinct) <= _BINS:
        return distinct, counts
    places = (values - values.min()) / (values.max() - values.min())
    bins = np.unique(np.minimum((places * _BINS).astype(np.intp), _BINS - 1), return_inverse=True)[1]
    n = np.bincount(bins)
    return np.bincount(bins, values) / n, n
