"""Parity: how far stored rows are from the same rows computed again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.encoders.parity import Parity, parity
from pipeline.errors import MismatchError

ROWS = arrays(np.float32, (3, 4), elements=st.floats(-1000, 1000, width=32))


def test_is_of_the_worst_row_and_of_the_worst_value() -> None:
    """(3, 4) and (4, 3): 24 / 25 = 0.96, differing by 1. (1, 0) and (3, 0): cosine 1, differing by 2 of 3."""
    stored, reference = np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([[4.0, 3.0], [3.0, 0.0]])
    assert parity(stored, reference) == Parity(2, 0.96, 2.0, 0.667)


def test_a_row_of_any_shape_is_one_vector() -> None:
    stored = np.arange(24.0).reshape(2, 3, 4)
    assert parity(stored, stored + 1) == parity(stored.reshape(2, 12), stored.reshape(2, 12) + 1)


def test_is_computed_in_float64() -> None:
    """In float16 the squares of 1000 would overflow."""
    assert parity(np.full((1, 8), 1000, np.float16), np.full((1, 8), 1000, np.float32)) == Parity(1, 1.0, 0.0)


def test_is_rounded_to_figures_that_are_stable_to_print() -> None:
    """The cosine of (1, 0) and (1, 0.001) is 1 - 5.0e-7 to ten decimals; the difference has three digits."""
    assert parity(np.array([[1.0, 0.0]]), np.array([[1.0, 0.001]])).cosine == 0.9999995
    assert parity(np.array([[1.0]]), np.array([[1.00012345]])).difference == 0.000123


@pytest.mark.parametrize(
    ("stored", "reference", "cosine"),
    [([0.0, 0.0], [0.0, 0.0], 1.0), ([0.0, 0.0], [1.0, 0.0], 0.0), ([1.0, 0.0], [0.0, 0.0], 0.0)],
)
def test_a_row_of_zeros_is_like_another_and_like_nothing_else(
    stored: list[float], reference: list[float], cosine: float
) -> None:
    assert parity(np.array([stored]), np.array([reference])).cosine == cosine


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_no_figure(value: float) -> None:
    for stored, reference in (([value, 1.0], [1.0, 1.0]), ([1.0, 1.0], [value, 1.0]), ([value], [value])):
        found = parity(np.array([stored]), np.array([reference]))
        assert math.isnan(found.cosine)
        assert math.isnan(found.difference)
        assert math.isnan(found.relative)


def test_of_no_rows_nothing_is_wrong() -> None:
    assert parity(np.empty((0, 4)), np.empty((0, 4))) == Parity(0, 1.0, 0.0)


def test_of_different_rows_is_refused() -> None:
    with pytest.raises(MismatchError, match=r"expected the same rows twice, found \(2, 4\) and \(2, 5\)"):
        parity(np.ones((2, 4)), np.ones((2, 5)))


@given(ROWS, ROWS)
def test_is_symmetric_and_perfect_to_itself(one: np.ndarray, other: np.ndarray) -> None:
    there, back = parity(one, other), parity(other, one)
    assert (there.cosine, there.difference) == (back.cosine, back.difference)  # `relative` is of the reference
    assert parity(one, one) == Parity(3, 1.0, 0.0)
    assert -1 <= parity(one, other).cosine <= 1
