"""Ranks of methods over datasets, against scipy's values and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.comparison import rank_methods
from pipeline.errors import InputError

X = [0.71, 0.62, 0.80, 0.55, 0.68, 0.74, 0.59, 0.66]
Y = [0.69, 0.63, 0.75, 0.51, 0.61, 0.71, 0.53, 0.58]
Z = [0.60, 0.61, 0.70, 0.52, 0.58, 0.69, 0.50, 0.57]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_ranks_are_as_by_hand_and_p_are_those_of_scipy() -> None:
    """x is first on seven datasets, y on one; z is last on seven, y on one. Of 256 signs 4, 2 and 4 reach the sums of
    ranks, as `scipy.stats.wilcoxon(method="exact")` has it: 0.015625, 0.0078125, 0.015625; times 2, 3, 2 by Holm."""
    ranking = rank_methods(["z", "x", "y"], np.array([Z, X, Y]).T, rng())
    assert ranking.methods == ("x", "y", "z")
    assert ranking.mean_ranks == pytest.approx((9 / 8, 16 / 8, 23 / 8))
    assert ranking.friedman_p == pytest.approx(0.002187491118182885, rel=1e-9)
    assert ranking.pairs == {("x", "y"): 8 / 256, ("x", "z"): 6 / 256, ("y", "z"): 8 / 256}
    assert ranking.n_datasets == 8


def test_equal_scores_share_their_ranks() -> None:
    ranking = rank_methods(["a", "b"], np.array([[0.5, 0.5], [0.6, 0.5]]), rng())
    assert ranking.mean_ranks == (1.25, 1.75)


def test_signed_ranks_of_six_datasets_can_differ_and_of_five_cannot() -> None:
    """All differences of one sign: p is 2 / 2^6 = 0.031 and 2 / 2^5 = 0.0625."""
    scores = np.column_stack([np.arange(1, 7) / 10, np.zeros(6)])
    assert rank_methods(["a", "b"], scores, rng()).pairs == {("a", "b"): 2 / 64}
    five = rank_methods(["a", "b"], scores[:5], rng())
    assert five.pairs == {("a", "b"): 2 / 32}
    assert five.least_datasets == 6
    assert five.cliques == (("a", "b"),)


def test_methods_that_no_test_tells_apart_are_in_one_clique() -> None:
    """Eight datasets: a and b change places, c is far below both: p of a-c and b-c is 3 x 2 / 256 after Holm."""
    a = np.array([0.7, 0.6, 0.7, 0.6, 0.7, 0.6, 0.7, 0.61])
    b = np.array([0.6, 0.7, 0.6, 0.7, 0.6, 0.7, 0.6, 0.7])
    ranking = rank_methods(["a", "b", "c"], np.column_stack([a, b, np.linspace(0, 0.1, 8)]), rng())
    assert ranking.cliques == (("a", "b"),)
    assert ranking.pairs["a", "c"] == pytest.approx(6 / 256)


def test_two_methods_or_one_dataset_have_no_friedman_test() -> None:
    assert rank_methods(["a", "b"], np.array([[0.5, 0.4], [0.6, 0.5]]), rng()).friedman_p is None
    assert rank_methods(["a", "b", "c"], np.array([[0.5, 0.4, 0.3]]), rng()).friedman_p is None


def test_methods_that_are_equal_everywhere_have_no_p_of_friedman() -> None:
    ranking = rank_methods(["a", "b", "c"], np.full((4, 3), 0.5), rng())
    assert ranking.friedman_p is None
    assert set(ranking.pairs.values()) == {1.0}


def test_one_method_is_refused() -> None:
    with pytest.raises(InputError, match="expected two methods and a dataset, found 1 and 2"):
        rank_methods(["a"], np.array([[0.5], [0.6]]), rng())
