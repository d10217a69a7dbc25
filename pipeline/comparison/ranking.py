"""Several methods over several datasets: mean ranks, and which of them differ."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipeline.comparison.exchange import LEVEL, exchange_p
from pipeline.comparison.significance import holm
from pipeline.errors import InputError

__all__ = ["Ranking", "rank_methods"]


@dataclass(frozen=True)
class Ranking:
    """Methods by their mean rank over datasets, 1 the best.

    Parameters
    ----------
    methods : the best first; methods of equal mean rank by name
    mean_ranks : of each, in this order; equal scores on a dataset share the mean of their ranks
    n_datasets : that all methods were scored on
    friedman_p : do the methods differ at all? None with fewer than three methods or two datasets, or where all are
        equal
    pairs : first, second, in the order of `methods`: p of Wilcoxon's signed-rank test, corrected by Holm's method
    cliques : the longest runs of `methods` of which no two differ: what a critical difference diagram joins by bars
    least_datasets : how many datasets are needed before any pair can differ at 5 %
    """

    methods: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    n_datasets: int
    friedman_p: float | None
    pairs: dict[tuple[str, str], float]
    cliques: tuple[tuple[str, ...], ...]
    least_datasets: int


def rank_methods(methods: Sequence[str], scores: npt.NDArray[np.float64], rng: np.random.Generator) -> Ranking:
    """Rank methods over datasets.

    Parameters
    ----------
    methods : K names, each once
    scores : shape (M, K), of each dataset and method; higher is better
    rng : of the signed-rank test with more than 14 datasets

    Raises
    ------
    InputError
        If there are fewer than two methods, or no dataset.

    Notes
    -----
    Pairs are compared by Wilcoxon's signed-rank test with Holm's correction, not by Nemenyi's critical difference of
    mean ranks: that one depends on which other methods are in the comparison, so that a pair can be made to differ by
    adding methods (Benavoli, Corani and Mangili, "Should we really use post-hoc tests based on mean-ranks?", JMLR 17,
    2016).
    """
    n_datasets, n_methods = scores.shape
    if n_methods < 2 or n_datasets < 1:
        raise InputError(f"ranking: expected two methods and a dataset, found {n_methods} and {n_datasets}")
    means = stats.rankdata(-scores.round(12), axis=1).mean(axis=0)
    order = sorted(range(n_methods), key=lambda i: (means[i], methods[i]))
    pairs = list(itertools.combinations(order, 2))
    adjusted = holm([_signed_rank_p(scores[:, i] - scores[:, j], rng) for i, j in pairs])
    by_pair = {(methods[i], methods[j]): float(p) for (i, j), p in zip(pairs, adjusted, strict=True)}
    names = tuple(methods[i] for i in order)
    differs = bool(np.ptp(scores, axis=1).any())  # else the statistic is 0 / 0
    friedman = stats.friedmanchisquare(*scores.T).pvalue if n_methods > 2 and n_datasets > 1 and differs else None
    return Ranking(
        names,
        tuple(float(means[i]) for i in order),
        n_datasets,
        None if friedman is None else float(friedman),
        by_pair,
        _cliques(names, by_pair),
        math.ceil(math.log2(2 * len(pairs) / LEVEL)),
    )


def _signed_rank_p(differences: npt.NDArray[np.float64], rng: np.random.Generator) -> float:
    """Wilcoxon's signed-rank test, two-sided and exact, also with equal differences; zeros are left out."""
    changed = differences.round(12)
    changed = changed[changed != 0]
    return exchange_p(np.sign(changed) * stats.rankdata(np.abs(changed)), rng) if len(changed) else 1.0


def _cliques(names: tuple[str, ...], pairs: dict[tuple[str, str], float]) -> tuple[tuple[str, ...], ...]:
    found: list[tuple[int, int]] = []
    for start in range(len(names)):
        end = start + 1
        while end < len(names) and all(pairs[names[i], names[end]] > LEVEL for i in range(start, end)):
            end += 1
        if not found or end > found[-1][1]:  # else it is a part of the one before
            found.append((start, end))
    return tuple(names[start:end] for start, end in found if end - start > 1)
