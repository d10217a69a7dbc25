"""How sure a score is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

__all__ = ["Interval", "mean_of_proportions_interval", "wilson_interval"]

Interval = tuple[float, float]
_Z95 = 1.959963984540054  # the 97.5 % point of the normal distribution
_TAIL = 0.025
_HALVINGS = 40  # of a multiplier's logarithm in _LOG_MULTIPLIERS: a limit within 1e-9
_LOG_MULTIPLIERS = (-25.0, 30.0)


def wilson_interval(hits: int, n: int) -> Interval:
    """Wilson's 95 % score interval of a proportion.

    It stays inside [0, 1] and keeps a width when every or no row is right, where the textbook interval has none.

    Parameters
    ----------
    hits, n : 0 <= hits <= n, n > 0

    Returns
    -------
    low, high : exactly 0.0 is the low end for no hit, exactly 1.0 the high end for n hits
    """
    z, share = _Z95, hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = max(0.0, centre - half) if hits else 0.0
    return low, min(1.0, centre + half) if hits < n else 1.0


def mean_of_proportions_interval(hits: Sequence[int], totals: Sequence[int]) -> Interval:
    """95 % interval of the plain mean of independent proportions, such as the recalls in a UAR.

    A mean m of k proportions with variance V is treated as one proportion of n = m (1 - m) / V rows, the effective
    sample size, of which n times the estimate are right; its limits are those of Clopper and Pearson. V is that of the
    most likely proportions whose mean is the limit itself, not of the observed ones.

    Equations, for the lower limit l with y = n times the estimate:
    sum_{j >= y} binomial(j; n, l) = I_l(y, n - y + 1) = 0.025,  n = l (1 - l) / V,
    V = (1 / k^2) sum_i p_i (1 - p_i) / n_i,  p = argmax sum_i log binomial(h_i; n_i, p_i) with mean p = l.
    The upper limit is 1 minus the lower limit of the misses.

    Parameters
    ----------
    hits, totals : equally many counts, 0 <= hits <= totals, totals > 0

    Returns
    -------
    low, high : exactly 0.0 is the low end when there is no hit at all, exactly 1.0 the high end when there is no miss

    Notes
    -----
    Clopper-Pearson limits on an effective sample size: Korn and Graubard, "Confidence intervals for proportions with
    small expected number of positive counts estimated from survey data", Survey Methodology 24 (1998). They take the
    variance at the estimate, which is 0 when all rows are right; we take it at the limit, under the constraint, as the
    score interval of a linear combination of proportions does.

    Of seven classes, with 5, 25, 100 or 5 to 500 rows each and recalls between 0.5 and 1, it covers the true UAR in
    94 to 100 of 100 samples. Wilson intervals combined by squares (the method of variance estimates recovery) cover
    84 to 98, 90 with 25 rows a class at a recall of 0.99, where they are wider, too (0.058 against 0.034): a class
    without a miss has no room above. Jeffreys posteriors of the recalls are worse there: k priors add k / 2 misses.
    """
    misses = [n - hit for hit, n in zip(hits, totals, strict=True)]
    return _lower_limit(hits, totals), 1 - _lower_limit(misses, totals)


def _lower_limit(hits: Sequence[int], totals: Sequence[int]) -> float:
    """The mean at which as many hits as there are, or more, have a chance of 2.5 %."""
    if not any(hits):
        return 0.0
    estimate = sum(hit / n for hit, n in zip(hits, totals, strict=True)) / len(totals)

    def too_low(log_multiplier: float) -> bool:
        return _chance_of_more(estimate, _constrained(hits, totals, math.exp(log_multiplier)), totals) < _TAIL

    multiplier = math.exp(_first(too_low, *_LOG_MULTIPLIERS))
    return sum(_constrained(hits, totals, multiplier)) / len(totals)


def _constrained(hits: Sequence[int], totals: Sequence[int], multiplier: float) -> list[float]:
    """The most likely proportions of some lower mean: the greater the multiplier, which is Lagrange's, the lower.

    They solve h / p - (n - h) / (1 - p) = multiplier, each by itself.
    """
    return [_constrained_proportion(hit, n, multiplier) for hit, n in zip(hits, totals, strict=True)]


def _constrained_proportion(hit: int, n: int, multiplier: float) -> float:
    if hit == n:  # without the rounding of the root, which would be a variance
        return n / max(n, multiplier)
    root = math.sqrt(max((n + multiplier) ** 2 - 4 * multiplier * hit, 0.0))
    return 2 * hit / (n + multiplier + root)


def _chance_of_more(estimate: float, proportions: Sequence[float], totals: Sequence[int]) -> float:
    """Chance of a mean as high as the estimate, or higher, where the true proportions are these."""
    from scipy.special import betainc  # late: whatever knows the names of metrics imports this module

    k = len(proportions)
    mean = sum(proportions) / k
    variance = sum(p * (1 - p) / n for p, n in zip(proportions, totals, strict=True)) / k**2
    if not variance:  # all are still 0 or 1, as observed
        return 1.0
    n = mean * (1 - mean) / variance
    return float(betainc(n * estimate, n * (1 - estimate) + 1, mean))


def _first(reached: Callable[[float], bool], low: float, high: float) -> float:
    """Where `reached` becomes true, between `low`, where it is not, and `high`, where it is."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return low
