"""Bootstrap sums and exchanges: equal to what can be counted by hand, and to the known limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.comparison.resampling import exchange_p, resampled_sums


def test_few_exchanges_are_all_counted() -> None:
    """3 + 2 + 1 and its negative are 2 of 8 choices of signs; 3 + 2 - 1 = 4 is reached by those and its own two."""
    rng = np.random.default_rng(0)
    assert exchange_p(np.array([3.0, 2.0, 1.0]), rng) == 2 / 8
    assert exchange_p(np.array([3.0, 2.0, -1.0]), rng) == 4 / 8


def test_groups_without_a_difference_change_nothing() -> None:
    rng = np.random.default_rng(0)
    assert exchange_p(np.array([3.0, 0.0, 2.0, 1.0, 0.0]), rng) == 2 / 8
    assert exchange_p(np.zeros(40), rng) == 1.0


def test_drawn_exchanges_of_equal_groups_are_the_sign_test() -> None:
    """15 for the first and 5 for the second: McNemar's exact p, 0.0414. Of 100 hits p is known to a tenth or so."""
    values = np.repeat([1.0, -1.0], [15, 5])
    p = [exchange_p(values, np.random.default_rng(seed)) for seed in range(20)]
    assert np.mean(p) == pytest.approx(0.04138946533203125, rel=0.08)


def test_p_is_never_zero() -> None:
    assert exchange_p(np.ones(200), np.random.default_rng(0)) == pytest.approx(1 / 50_001)


@pytest.mark.parametrize("n_distinct", [5, 5000])
def test_resampled_sums_have_the_deviation_of_independent_draws(n_distinct: int) -> None:
    """Sums of G draws from values of mean 0 have the variance sum of squares; many distinct values are binned."""
    rng = np.random.default_rng(0)
    values = rng.choice(rng.normal(size=n_distinct), 5000)
    values -= values.mean()
    sums = resampled_sums(values, 4000, rng)
    expected = math.sqrt(values @ values)
    assert sums.std() == pytest.approx(expected, rel=0.04)
    assert abs(sums.mean()) < 4 * expected / math.sqrt(4000)


def test_exchanges_of_many_distinct_values_follow_the_normal_limit() -> None:
    """The sum of 4,000 signed values is normal: at 1.96 standard deviations p is 0.05."""
    rng = np.random.default_rng(0)
    sizes = rng.random(4000)
    target = 1.96 * math.sqrt(sizes @ sizes)
    signs = np.ones(4000)
    for i in range(4000):  # flip signs until the sum is the target, but for less than one value
        if (signs @ sizes) - 2 * sizes[i] >= target:
            signs[i] = -1
    p = [exchange_p(signs * sizes, np.random.default_rng(seed)) for seed in range(3)]
    assert np.mean(p) == pytest.approx(0.05, rel=0.2)
