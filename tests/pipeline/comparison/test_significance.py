"""Tests of two methods, and of many tests together, against values of statsmodels and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.comparison.significance import half_width, holm, mcnemar_exact, two_source_p


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
    """Differences 2, 5 and 3 points: mean 1/30, variance of the mean 7/90000; scipy's ttest_1samp: p 0.0634."""
    p = two_source_p(1 / 30, (0.0, 1), (7 / 90_000, 2))
    assert p == pytest.approx(0.06341418841830604, rel=1e-9)
    assert half_width((0.0, 1), (7 / 90_000, 2)) == pytest.approx(0.0379458, abs=1e-7)


def test_the_interval_ends_at_zero_where_p_is_five_percent() -> None:
    units, seeds = (0.0004, 40.0), (0.0001, 2.0)
    assert two_source_p(half_width(units, seeds), units, seeds) == pytest.approx(0.05, abs=1e-9)


def test_p_is_one_without_a_difference_and_tiny_for_a_huge_one() -> None:
    assert two_source_p(0.0, (0.01, 9.0), (0.01, 2.0)) == 1.0
    assert two_source_p(0.9, (1e-8, 3000.0), (0.0, 0.0)) == pytest.approx(1e-12)


def test_a_second_source_makes_p_larger() -> None:
    values = [two_source_p(0.05, (0.0004, 100.0), (seed, 4.0)) for seed in (0.0, 0.0001, 0.001)]
    assert np.all(np.diff(values) > 0)
