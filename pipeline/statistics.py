"""How sure a score is."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["mean_of_proportions_interval", "wilson_interval"]

Interval = tuple[float, float]
_Z95 = 1.959963984540054  # the 97.5 % point of the normal distribution


def wilson_interval(hits: int, n: int) -> Interval:
    """Wilson's 95 % score interval of a proportion.

    It stays inside [0, 1] and keeps a width when every or no row is right, where the textbook interval has none.

    Parameters
    ----------
    hits, n : 0 <= hits <= n, n > 0
    """
    z, share = _Z95, hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def mean_of_proportions_interval(hits: Sequence[int], totals: Sequence[int]) -> Interval:
    """95 % interval of the plain mean of independent proportions, such as the recalls in a UAR.

    Each proportion's Wilson interval is combined by the squares of its distances to the estimate
    (the method of variance estimates recovery). With m the mean of the k proportions p_i in [l_i, u_i]:
    [m - sqrt(sum (p_i - l_i)^2) / k, m + sqrt(sum (u_i - p_i)^2) / k].

    Parameters
    ----------
    hits, totals : equally many counts, 0 <= hits <= totals, totals > 0

    Notes
    -----
    Chosen over a stratified bootstrap: it needs no random numbers, and a class whose few rows are all right keeps
    its uncertainty, where resampling sees none.
    """
    shares = [hit / n for hit, n in zip(hits, totals, strict=True)]
    bounds = [wilson_interval(hit, n) for hit, n in zip(hits, totals, strict=True)]
    below = math.hypot(*(share - low for share, (low, _) in zip(shares, bounds, strict=True)))
    above = math.hypot(*(high - share for share, (_, high) in zip(shares, bounds, strict=True)))
    k = len(shares)
    mean = sum(shares) / k
    return max(0.0, mean - below / k), min(1.0, mean + above / k)
