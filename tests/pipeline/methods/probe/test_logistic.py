"""Logistic regression against scikit-learn's, whose objective ours may not exceed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Reference

from pipeline.methods.probe.inverse_hessian import InverseHessian, StepPairs
from pipeline.methods.probe.logistic import LogisticRegression

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

GRID = 10.0 ** np.arange(-6, 7)


def rows(n, width, n_classes, *, distance, scale=1.0, offset=0.0, seed=0):
    """Rows around the means of their classes, whose channels differ in scale by 100; classes may be absent."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    features = rng.standard_normal((n, width)) + distance * rng.standard_normal((n_classes, width))[labels]
    features = scale * (features * np.geomspace(0.1, 10, width) + offset)
    return features.astype(np.float32), labels


def solve_path(features, labels, n_classes, grid=GRID):
    problem = LogisticRegression(torch.tensor(features), torch.tensor(labels), n_classes)
    return [tuple(np.asarray(part) for part in problem.solve(float(c), 1000)) for c in grid]


def objective(weight, bias, features, labels, c):
    """In float64, exact to the last digits of a loss near 0: relative to the logit of the row's class."""
    weight, bias = weight.astype(np.float64), bias.astype(np.float64)
    logits = features.astype(np.float64) @ weight.T + bias
    margins = logits - np.take_along_axis(logits, labels[:, None], axis=1)
    np.put_along_axis(margins, labels[:, None], -np.inf, axis=1)
    greatest = np.maximum(margins.max(axis=1), 0)
    losses = greatest + np.log1p(np.exp(margins - greatest[:, None]).sum(axis=1) + np.expm1(-greatest))
    return losses.mean() + (weight**2).sum() / (2 * c * len(features))


def reference(features, labels, c, **options):
    """Weight and bias of every class that has a row; scikit-learn has one row of weights for two classes."""
    fitted = Reference(C=c, **{"max_iter": 20_000, **options}).fit(features, labels)
    weight, bias = fitted.coef_, fitted.intercept_
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias


def for_two_classes(c, labels):
    """scikit-learn's penalty of two classes is that of one weight w; of -w/2 and w/2 it is half of that."""
    return 2 * c if len(np.unique(labels)) == 2 else c


PROBLEMS = {
    "overlapping": {"n": 300, "width": 24, "n_classes": 7, "distance": 0.3},
    "fewer rows than channels": {"n": 40, "width": 64, "n_classes": 4, "distance": 0.5},
    "separable": {"n": 120, "width": 16, "n_classes": 4, "distance": 6.0},
    "far from 0": {"n": 200, "width": 12, "n_classes": 5, "distance": 0.5, "offset": 30.0},
    "one channel": {"n": 100, "width": 1, "n_classes": 3, "distance": 0.7},
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_no_objective_is_above_scikit_learns_on_the_whole_grid(name):
    n_classes = PROBLEMS[name]["n_classes"]
    features, labels = rows(**PROBLEMS[name])
    for c, (weight, bias, loss) in zip(GRID, solve_path(features, labels, n_classes), strict=True):
        ours = objective(weight, bias, features, labels, c)
        assert ours <= objective(*reference(features, labels, c), features, labels, c) * (1 + 1e-6)
        assert loss == pytest.approx(ours, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", PROBLEMS)
def test_optimum_and_predictions_are_those_of_a_search_to_the_end(name):
    """scikit-learn in float64, tolerance 1e-10, of centred rows: else it ends before. Losses near 0: 1e-7 a row."""
    n_classes = PROBLEMS[name]["n_classes"]
    features, labels = rows(**PROBLEMS[name])
    mean = features.mean(axis=0, dtype=np.float64)
    for c, (weight, bias, _) in zip(GRID[::2], solve_path(features, labels, n_classes, GRID[::2]), strict=True):
        weights, bias_of_centred = reference(features - mean, labels, c, tol=1e-10)
        exact = weights, bias_of_centred - weights @ mean
        best = objective(*exact, features, labels, c)
        assert objective(weight, bias, features, labels, c) <= best + max(1e-6 * best, 1e-7)
        expected, logits = (features.astype(np.float64) @ w.T + b for w, b in (exact, (weight, bias)))
        highest = np.sort(expected, axis=1)[:, -2:]
        is_tie = highest[:, 1] - highest[:, 0] < 0.005 * (1 + np.ptp(expected, axis=1))
        assert is_tie.mean() < 0.1 or c <= 1e-3  # where a strong penalty leaves nothing else
        np.testing.assert_array_equal(logits.argmax(axis=1)[~is_tie], expected.argmax(axis=1)[~is_tie])


@st.composite
def problems(draw):
    n_classes = draw(st.integers(3, 6))
    features, labels = rows(
        draw(st.integers(1, 40)),
        draw(st.integers(1, 12)),
        n_classes,
        distance=draw(st.sampled_from([0.0, 0.5, 5.0])),
        scale=10.0 ** draw(st.integers(-4, 4)),
        offset=draw(st.sampled_from([0.0, 10.0])),
        seed=draw(st.integers(0, 2**16)),
    )
    if draw(st.booleans()):
        features[:, 0] = features[0, 0]  # constant
    if draw(st.booleans()):
        features, labels = np.tile(features, (2, 1)), np.tile(labels, 2)
    grid = draw(st.lists(st.integers(-6, 6), min_size=1, max_size=3, unique=True))
    return features, labels, n_classes, 10.0 ** np.array(grid)


@given(problems())
def test_any_problem_and_order_of_the_grid(problem):
    """Absent classes, one row, duplicates, constant channels, tiny and huge ones, any path over C."""
    features, labels, n_classes, grid = problem
    present = np.unique(labels)
    for c, (weight, bias, loss) in zip(grid, solve_path(features, labels, n_classes, grid), strict=True):
        assert np.isfinite(weight).all()
        assert np.isfinite(bias).all()
        absent = np.setdiff1d(np.arange(n_classes), present)
        assert (bias[absent] == -10_000).all()
        if len(present) < 2:
            assert loss == 0
            continue
        classes = np.searchsorted(present, labels)
        ours = objective(weight[present], bias[present], features, classes, c)
        theirs = reference(features.astype(np.float64), classes, for_two_classes(c, labels), max_iter=1000)
        assert ours <= objective(*theirs, features, classes, c) + max(1e-5 * ours, 1e-6)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("grid", [(1e4, 1e5, 1e-5), (1e6, 1e3, 1e-3), (1e-6, 1e6, 1.0)])
def test_a_strong_penalty_after_a_weak_one_on_separable_rows(grid, seed):
    """Weights and curvature of the weak one led such searches to up to twice the objective."""
    features, labels = rows(12, 6, 3, distance=5.0, scale=10.0, seed=seed)
    for c, (weight, bias, _) in zip(grid, solve_path(features, labels, 3, grid), strict=True):
        theirs = reference(features.astype(np.float64), labels, c, max_iter=2000)
        ours = objective(weight, bias, features, labels, c)
        assert ours <= objective(*theirs, features, labels, c) + max(1e-5 * ours, 1e-6)


def test_a_penalty_already_solved_costs_no_iteration():
    features, labels = rows(**PROBLEMS["overlapping"])
    first, _, again = solve_path(features, labels, 7, [1.0, 10.0, 1.0])
    np.testing.assert_allclose(again[0], first[0], atol=1e-3 * np.abs(first[0]).max())
    assert again[2] <= first[2]


def test_two_searches_of_the_same_rows_give_the_same_bytes():
    features, labels = rows(**PROBLEMS["overlapping"])
    first, second = (solve_path(features, labels, 7) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_many_blocks_of_rows_are_one_problem():
    features, labels = rows(2_500, 6, 3, distance=0.5)
    (weight, bias, _), *_ = solve_path(features, labels, 3, [1.0])
    exact = reference(features.astype(np.float64), labels, 1.0, tol=1e-10)
    best = objective(*exact, features, labels, 1.0)
    assert objective(weight, bias, features, labels, 1.0) <= best * (1 + 1e-6)


def quadratic(width=30, seed=0):
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((width, width))
    return torch.tensor(factor @ factor.T / width + np.eye(width), dtype=torch.float32), rng


def test_the_estimate_maps_the_last_change_to_the_last_step():
    """The secant equation of BFGS, whatever is in memory, also after the oldest steps have gone."""
    hessian, rng = quadratic()
    estimate = InverseHessian(1 / hessian.diagonal())
    for _ in range(70):
        step = torch.tensor(rng.standard_normal(len(hessian)), dtype=torch.float32)
        estimate.add(step, hessian @ step)
        torch.testing.assert_close(estimate.times(hessian @ step), step, atol=2e-3, rtol=2e-3)


def test_pairs_of_one_hessian_are_those_of_a_multiple_plus_a_diagonal():
    hessian, rng = quadratic()
    steps = torch.tensor(rng.standard_normal((5, len(hessian))), dtype=torch.float32)
    diagonal = torch.arange(len(hessian), dtype=torch.float32)
    changed = StepPairs(steps, steps @ hessian).plus(diagonal, 3.0)
    torch.testing.assert_close(changed.changes, steps @ (3 * hessian + diagonal.diag()), atol=1e-3, rtol=1e-4)


def test_a_step_without_curvature_is_left_out():
    estimate = InverseHessian(torch.ones(3))
    estimate.add(torch.tensor([1.0, 0, 0]), torch.tensor([-1.0, 0, 0]))
    assert len(estimate.pairs.steps) == 0


def test_reference_warns_where_it_does_not_converge():
    """The objective compared with is that of a finished search: 20,000 iterations are enough here."""
    features, labels = rows(**PROBLEMS["overlapping"])
    with pytest.warns(ConvergenceWarning):
        reference(features, labels, 1.0, max_iter=2)
