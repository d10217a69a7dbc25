"""Tests of two methods, and of many tests together, against values of statsmodels and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.comparison.exchange import LEVEL, ExchangeTest
from pipeline.comparison.significance import holm, mcnemar_exact, two_source_interval, two_source_p


def units_of(differences: list[float], n_exchanges: int = 5000) -> ExchangeTest:
    n = len(differences)
    strata, groups = np.zeros(n, np.intp), np.arange(n)
    return ExchangeTest.of(strata, groups, np.array(differences), np.random.default_rng(0), n_exchanges)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        (15, 5, 0.04138946533203125),
        (1, 9, 0.021484375),
        (0, 5, 0.0625),
        (40, 25, 0.08168153394154003),
        (6, 6, 1.0),
    ],
)
def test_mcnemar_is_that_of_statsmodels(only_first: int, only_second: int, p: float) -> None:
    """`statsmodels.stats.contingency_tables.mcnemar(table, exact=True)`; 0 of 5: 2 / 2^5."""
    assert mcnemar_exact(only_first, only_second) == pytest.approx(p, rel=1e-12)
    assert mcnemar_exact(only_second, only_first) == pytest.approx(p, rel=1e-12)


def test_methods_that_never_differ_are_not_different() -> None:
    assert mcnemar_exact(0, 0) == 1.0


def test_holm_is_that_of_statsmodels() -> None:
    """`multipletests(p, method="holm")`: 5 x 0.005, 4 x 0.01, 3 x 0.03, then 2 x 0.04 < 0.09."""
    assert holm([0.01, 0.04, 0.03, 0.005, 0.2]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.2])


def test_one_test_needs_no_correction() -> None:
    assert holm([0.03]) == pytest.approx([0.03])


def test_with_seeds_as_the_only_source_the_test_is_students() -> None:
    """Differences 2, 5 and 3 points: mean 1/30, variance of the mean 7/90000; scipy's ttest_1samp: p 0.0634. The units
    are so many that they add nothing."""
    units = units_of([1 / 30] * 1_000_000)
    assert two_source_p(units, 7 / 90_000, 2) == pytest.approx(0.06341418841830604, rel=1e-3)
    low, high = two_source_interval(units, 7 / 90_000, 2)
    assert (high - low) / 2 == pytest.approx(0.0379458, rel=1e-3)


def test_squares_of_both_sources_are_added_on_each_side() -> None:
    """With two degrees of freedom Student's t is 4.302653."""
    units = units_of([0.5, 0.5, 0.5, -0.2, 0.1, 0.4, 0.3, 0.9])
    low, high = units.interval()
    seeds = 4.302653 * 0.02
    expected = (0.375 - math.hypot(0.375 - low, seeds), 0.375 + math.hypot(high - 0.375, seeds))
    assert two_source_interval(units, 0.02**2, 2) == pytest.approx(expected, abs=1e-6)


def test_interval_and_p_of_two_sources_agree() -> None:
    rng = np.random.default_rng(0)
    n_found = 0
    for _ in range(60):
        n, better = int(rng.integers(8, 200)), rng.random() / 2
        units = units_of(list((rng.random(n) < better).astype(float) - (rng.random(n) < 0.1)), 199)
        variance, degrees = (rng.random() / 20) ** 2, int(rng.integers(1, 6))
        low, high = two_source_interval(units, variance, degrees)
        p = two_source_p(units, variance, degrees)
        assert p >= units.p() - 1e-6
        assert (p <= LEVEL) == (not low <= 0 <= high)
        n_found += p <= LEVEL
    assert 5 < n_found < 55


def test_the_interval_ends_at_zero_at_the_level_of_p() -> None:
    units = units_of([1.0] * 40 + [-1.0] * 10 + [0.0] * 100)
    p = two_source_p(units, 0.03**2, 4)
    assert two_source_interval(units, 0.03**2, 4, p)[0] == pytest.approx(0, abs=0.003)


def test_p_is_one_without_a_difference() -> None:
    assert two_source_p(units_of([1.0, -1.0] * 20), 0.01, 2) == 1.0


def test_a_second_source_makes_p_larger() -> None:
    units = units_of([1.0] * 40 + [-1.0] * 10 + [0.0] * 100)
    values = [two_source_p(units, variance, 4) for variance in (0.0, 0.0001, 0.001)]
    assert np.all(np.diff(values) > 0)
