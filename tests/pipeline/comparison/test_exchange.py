"""Exchanges of predictions: p and interval as by hand, as scipy has them, and as each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.comparison.exchange import LEVEL, ExchangeTest, exchange_p


def exchanges_of(
    differences: list[float], groups: list[int] | None = None, strata: list[int] | None = None
) -> ExchangeTest:
    """Of units in one stratum, each a group, if nothing else is said."""
    n = len(differences)
    return ExchangeTest.of(np.array(strata or [0] * n), np.arange(n), np.array(differences), np.random.default_rng(0))


def test_few_exchanges_are_all_counted() -> None:
    """3 + 2 + 1 and its negative are 2 of 8 choices of signs; 3 + 2 - 1 = 4 is reached by those and its own two."""
    rng = np.random.default_rng(0)
    assert exchange_p(np.array([3.0, 2.0, 1.0]), rng) == 2 / 8
    assert exchange_p(np.array([3.0, 2.0, -1.0]), rng) == 4 / 8


def test_p_is_that_of_scipy() -> None:
    """`permutation_test((d,), np.sum, permutation_type="samples", n_resamples=np.inf)`: 108 of 1,024."""
    values = np.array([3, 1, 4, 1, 5, -2, 6, -5, 3, 5.0])
    assert exchange_p(values, np.random.default_rng(0)) == 0.10546875
    assert exchanges_of(list(values / 10)).p() == 0.10546875


def test_groups_without_a_difference_change_nothing() -> None:
    rng = np.random.default_rng(0)
    assert exchange_p(np.array([3.0, 0.0, 2.0, 1.0, 0.0]), rng) == 2 / 8
    assert exchange_p(np.zeros(40), rng) == 1.0


@pytest.mark.parametrize("n_equal", [0, 100])
def test_drawn_exchanges_of_equal_groups_are_the_sign_test(n_equal: int) -> None:
    """15 for the first and 5 for the second: McNemar's exact p, 0.0414, has a standard error of 0.003 in 5,000."""
    values = [1.0] * 15 + [-1.0] * 5 + [0.0] * n_equal
    assert exchanges_of(values).p() == pytest.approx(0.04138946533203125, abs=0.01)


def test_p_is_never_zero() -> None:
    assert exchange_p(np.ones(200), np.random.default_rng(0)) == pytest.approx(1 / 50_001)


@pytest.mark.parametrize("n", [300, 4000])
def test_exchanges_of_many_distinct_values_follow_the_normal_limit(n: int) -> None:
    """The sum of signed values is normal: at 1.96 standard deviations p is 0.05; of 4,000 groups some are joined."""
    rng = np.random.default_rng(0)
    sizes = rng.random(n)
    target = 1.96 * math.sqrt(sizes @ sizes)
    signs = np.ones(n)
    for i in range(n):  # flip signs until the sum is the target, but for less than one value
        if (signs @ sizes) - 2 * sizes[i] >= target:
            signs[i] = -1
    p = [exchange_p(signs * sizes, np.random.default_rng(seed)) for seed in range(3)]
    assert np.mean(p) == pytest.approx(0.05, rel=0.2)


def test_the_interval_is_that_of_half_samples() -> None:
    """Six units of mean 0: at theta, p is 2/64 for all and none, and 2/64 more for each half sample that has its mean
    beyond theta. The first is of the unit of -0.5 alone, and 4/64 is above 5 %."""
    test = exchanges_of([-0.5, -0.3, -0.1, 0.1, 0.3, 0.5])
    assert test.interval() == pytest.approx((-0.5, 0.5), abs=1e-6)
    assert (test.p(-0.51), test.p(-0.5), test.p(-0.4)) == (2 / 64, 4 / 64, 6 / 64)


def test_the_interval_leaves_out_zero_where_all_six_are_above_it() -> None:
    test = exchanges_of([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert test.p() == 2 / 64
    assert test.interval()[0] == pytest.approx(0.1, abs=1e-6)


def test_five_groups_can_show_nothing() -> None:
    """2 of 32 exchanges are as large as any: p is at least 1/16."""
    test = exchanges_of([0.9, 0.8, 0.9, 0.7, 0.9])
    assert test.p() == 2 / 32
    assert test.interval() == (-1.0, 1.0)


def test_units_that_all_agree_have_the_interval_of_tango() -> None:
    """Of 100 units none differs: z^2 / (n + z^2) = 3.8415 / 103.8415."""
    test = exchanges_of([0.0] * 100)
    assert test.p() == 1.0
    assert test.interval() == pytest.approx((-0.03699, 0.03699), rel=0.08)


def test_units_of_a_stratum_weigh_the_same_and_all_strata_together_the_same() -> None:
    """Means 1/4 of four units, -1 of one: half of their sum."""
    assert exchanges_of([1, 0, 0, 0, -1], strata=[0, 0, 0, 0, 1]).observed == pytest.approx(-0.375)


def test_interval_and_p_agree() -> None:
    rng = np.random.default_rng(1)
    n_found = 0
    for _ in range(60):
        n, better = int(rng.integers(8, 200)), rng.random() / 2
        groups = np.unique(rng.integers(0, rng.integers(6, 100), n), return_inverse=True)[1]
        strata = np.unique(rng.integers(0, 3, n) * rng.integers(0, 2, n), return_inverse=True)[1]
        differences = (rng.random(n) < better).astype(float) - (rng.random(n) < 0.2)
        test = ExchangeTest.of(strata, groups, differences, rng, 199)
        low, high = test.interval()
        assert low <= test.observed <= high
        assert (test.p() <= LEVEL) == (not low <= 0 <= high)
        n_found += test.p() <= LEVEL
    assert 10 < n_found < 50
