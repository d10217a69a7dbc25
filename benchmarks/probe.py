"""Logistic regression for 13 values of C: the linear probe's against scikit-learn's, one thread each.

Features are drawn: classes overlap, and the deviations along the eigenvectors fall as those of a frozen encoder do.
Seconds are of CPU. Where scikit-learn takes longer than `--limit-s`, it solves no further C; the ratio is over those
that it did.
"""

from __future__ import annotations

import argparse
import resource
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from machine import show
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Reference
from threadpoolctl import threadpool_limits

from pipeline.methods.probe.logistic import LogisticRegression

WIDTH, N_CLASSES = 512, 7
GRID = 10.0 ** np.arange(-6, 7)
BLOCK = 8192  # rows

Solution = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def draw(n: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Features float32, shape (n, WIDTH), and labels, of which one in eight is random."""
    rng = np.random.default_rng(0)
    deviations = 10 / np.arange(1, WIDTH + 1) ** 0.9
    rotation = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0] * deviations[:, None]
    means = rng.standard_normal((N_CLASSES, WIDTH)) * np.where(np.arange(WIDTH) < N_CLASSES, 0.8, 0.1)
    labels = rng.integers(0, N_CLASSES, n)
    features = np.empty((n, WIDTH), np.float32)
    for start in range(0, n, BLOCK):
        block = labels[start : start + BLOCK]
        features[start : start + BLOCK] = (rng.standard_normal((len(block), WIDTH)) + means[block]) @ rotation
    is_random = rng.random(n) < 1 / 8
    labels[is_random] = rng.integers(0, N_CLASSES, is_random.sum())
    return features, labels


def objective(solution: Solution, features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], c: float) -> float:
    weight, bias = (part.astype(np.float64) for part in solution)
    total = 0.0
    for start in range(0, len(features), BLOCK):
        logits = features[start : start + BLOCK].astype(np.float64) @ weight.T + bias
        truth = labels[start : start + BLOCK, None]
        margins = logits - np.take_along_axis(logits, truth, axis=1)
        np.put_along_axis(margins, truth, -np.inf, axis=1)
        greatest = np.maximum(margins.max(axis=1), 0)
        others = np.exp(margins - greatest[:, None]).sum(axis=1)
        total += float((greatest + np.log1p(others + np.expm1(-greatest))).sum())
    return total / len(features) + float((weight**2).sum()) / (2 * c * len(features))


def timed(solve: Callable[[float], Solution], limit_s: float, start: float) -> tuple[list[Solution], list[float]]:
    """Solutions, and CPU seconds from `start` to each."""
    solutions, seconds = [], []
    for c in GRID:
        solutions.append(solve(float(c)))
        seconds.append(time.process_time() - start)
        if seconds[-1] > limit_s:
            break
    return solutions, seconds


def solve_ours(features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> tuple[list[Solution], list[float]]:
    start = time.process_time()
    problem = LogisticRegression(torch.from_numpy(features), torch.from_numpy(labels), N_CLASSES)

    def solve(c: float) -> Solution:
        weight, bias, _ = problem.solve(c, 1000)
        return weight.numpy(), bias.numpy()

    return timed(solve, np.inf, start)


def solve_reference(
    features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], limit_s: float
) -> tuple[list[Solution], list[float]]:
    def solve(c: float) -> Solution:
        fitted = Reference(C=c, max_iter=10_000).fit(features, labels)
        return fitted.coef_, fitted.intercept_

    return timed(solve, limit_s, time.process_time())


def compare(n: int, turns: int, limit_s: float) -> dict[str, Any]:
    features, labels = draw(n)
    solve_ours(features[:840], labels[:840])  # warm up
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours, ours_s = solve_ours(features, labels)
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    theirs, theirs_s = solve_reference(features, labels, limit_s)
    m = len(theirs)
    ratios = [theirs_s[-1] / ours_s[m - 1]]
    for _ in range(turns - 1):
        ours_s, theirs_s = solve_ours(features, labels)[1], solve_reference(features, labels, limit_s)[1]
        ratios.append(theirs_s[-1] / ours_s[len(theirs_s) - 1])
    objectives = [
        [objective(solution, features, labels, c) for solution in pair]
        for *pair, c in zip(ours[:m], theirs, GRID[:m], strict=True)
    ]
    return {
        "rows": n,
        "values_of_c_compared": m,
        "ours_s": round(ours_s[m - 1], 3),
        "ours_whole_grid_s": round(ours_s[-1], 3),
        "scikit_learn_s": round(theirs_s[-1], 2),
        "ratio": round(float(np.median(ratios)), 1),
        "highest_objective_over_scikit_learns": max(mine / other for mine, other in objectives),
        "peak_memory_over_features": round(1 + more * 1024 / features.nbytes, 2),
        "target": 5 if n < 12_000 else 10,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[840], help="as many problems as numbers")
    parser.add_argument("--turns", type=int, default=1, help="of both, in turns; the ratio is the median")
    parser.add_argument("--limit-s", type=float, default=120, help="seconds after which scikit-learn ends")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(1):
        problems = [compare(n, options.turns, options.limit_s) for n in options.rows]
    show(
        {
            "what": f"logistic regression, {WIDTH} channels, {N_CLASSES} classes, {len(GRID)} values of C",
            "problems": problems,
        }
    )


if __name__ == "__main__":
    main()
