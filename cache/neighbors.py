"""Exact nearest rows of a store: a fast float32 pass over blocks, and float64 for the few rows that may be among the k.

The pass over-estimates every score by a bound on its rounding error, so no row that belongs to the answer is passed
over; what is left is scored again in float64. So the answer does not depend on how the rows were cut into blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from cache.errors import QueryError

__all__ = ["METRICS", "FeatureRows", "Metric", "Neighbors", "nearest"]

Metric: TypeAlias = Literal["cosine", "dot"]
METRICS: tuple[Metric, ...] = get_args(Metric)

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]

_BLOCK_VALUES = 2**18  # float32 values of one step: 1 MB stays in the core's own cache
_EXACT = 2**22  # float64 values of rows that are scored again together
_SAFE = (1e-25, 1e35)  # squared lengths between which float32 neither under- nor overflows
_NO_ROW = np.iinfo(np.intp).max


class FeatureRows(Protocol):
    """Rows that come in blocks, as `cache.rows.Rows`."""

    def __len__(self) -> int: ...

    def blocks(self) -> Iterator[tuple[Numbers, npt.NDArray[Any]]]:
        """Ascending row numbers, shape (M,), and their features, shape (M, *row_shape)."""


@dataclass(frozen=True)
class Neighbors:
    """The nearest rows of each query, the nearest first.

    Parameters
    ----------
    rows : intp, shape (Q, k)
        Row numbers in the store, or positions in the array that was searched.
    scores : float32, shape (Q, k)
        Cosine in [-1, 1], or dot product; equal scores are ordered by row number.
    """

    rows: Numbers
    scores: Float32


def nearest(
    features: FeatureRows | npt.NDArray[Any], vectors: npt.ArrayLike, k: int, metric: Metric = "cosine"
) -> Neighbors:
    """The k rows with the highest score for every query, found exactly.

    Parameters
    ----------
    features : a Selection, read block by block, or float array (N, *row_shape): a loaded or memory-mapped one
        Raw, as in a store. Rows of several axes (tokens) are compared as one long vector. A row with NaN, as a rejected
        one has, is never returned.
    vectors : float, shape (Q, D) or (D,), D the length of a flattened row; taken as float32
    k : > 0; as many rows as there are, if there are fewer
    metric : `cosine` (0 where a vector is zero) or `dot`

    Raises
    ------
    QueryError
        If k or the metric is impossible, a query is not finite or of another width, or the features are no floats.
    """
    if k < 1 or metric not in METRICS:
        raise QueryError(
            f"neighbours: expected k > 0 and metric {' or '.join(METRICS)}, found k {k}, metric {metric!r}"
        )
    queries = _queries(vectors)
    search = _Search(queries, min(k, len(features)), metric)
    for rows, values in _blocks(features):
        flat = values.reshape(len(rows), -1)
        _check(flat, queries)
        step = max(1, _BLOCK_VALUES // flat.shape[1])
        for start in range(0, len(rows), step):
            search.add(rows[start : start + step], flat[start : start + step])
    return search.result()


def _queries(vectors: npt.ArrayLike) -> Float64:
    with np.errstate(over="ignore"):
        queries = np.atleast_2d(np.asarray(vectors, np.float32)).astype(np.float64)
    if queries.ndim != 2 or not np.isfinite(queries).all():
        raise QueryError(
            f"neighbours: expected finite queries of shape (Q, D), found {queries.shape} or NaN or infinity"
        )
    return queries


def _blocks(features: FeatureRows | npt.NDArray[Any]) -> Iterator[tuple[Numbers, npt.NDArray[Any]]]:
    if not isinstance(features, np.ndarray):
        yield from features.blocks()
    elif len(features):
        yield np.arange(len(features)), features


def _check(flat: npt.NDArray[Any], queries: Float64) -> None:
    if flat.dtype.kind != "f":
        raise QueryError(f"neighbours: expected float features, found {flat.dtype}. Choose another output")
    if flat.shape[1] != queries.shape[1]:
        raise QueryError(
            f"neighbours: expected queries of width {flat.shape[1]} as the features, found {queries.shape[1]}"
        )


def _lengths(vectors: Float64) -> Float64:
    return np.asarray(np.sqrt((vectors * vectors).sum(axis=1)))


class _Search:
    """The best k rows of every query so far."""

    def __init__(self, queries: Float64, k: int, metric: Metric) -> None:
        self._queries, self._lengths, self._k, self._cosine = queries, _lengths(queries), k, metric == "cosine"
        # The pass compares with unit queries: their length changes no order.
        divisors = np.where(self._lengths > 0, self._lengths, 1.0)
        self._unit = (queries / divisors[:, None]).astype(np.float32)
        self._divisors = np.ones_like(divisors) if self._cosine else divisors  # from a score to what the pass compares
        self._rows = np.full((len(queries), k), _NO_ROW, np.intp)
        self._scores = np.full((len(queries), k), -np.inf, np.float32)
        self._floor = np.full(len(queries), -np.inf)  # in the pass's unit: k rows at least reach it
        # Of a dot product of unit vectors, of the length of a row, and of rounding the query: twice what is possible.
        self._error = 2 * (queries.shape[1] + 8) * float(np.finfo(np.float32).eps)

    def add(self, rows: Numbers, values: npt.NDArray[Any]) -> None:
        """Take what is nearer than the best so far from one block: ascending row numbers (M,) and features (M, D)."""
        scores, slack = self._estimates(values.astype(np.float32))
        if len(rows) >= self._k:
            reached = np.partition(scores - slack, len(rows) - self._k, axis=1)[:, len(rows) - self._k]
            self._floor = np.maximum(self._floor, reached)
        queries, positions = np.nonzero(scores + slack >= self._floor[:, None])
        step = max(1, _EXACT // values.shape[1])
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            self._take(queries[part], rows[positions[part]], values[positions[part]].astype(np.float64))

    def _estimates(self, values: Float32) -> tuple[Float64, Float64]:
        """Scores of every query and row, float64 (Q, M), and how wrong they may be; infinitely wrong if unsafe."""
        with np.errstate(all="ignore"):
            squares = np.einsum("md,md->m", values, values)
            scores = (self._unit @ values.T).astype(np.float64)  # (Q, D) @ (D, M) -> (Q, M)
            safe = (squares > _SAFE[0]) & (squares < _SAFE[1])
            lengths = np.where(safe, np.sqrt(squares), 1.0).astype(np.float64)
            scores = np.where(safe, scores / lengths if self._cosine else scores, 0.0)
        slack = np.full(len(values), self._error) if self._cosine else self._error * lengths
        return scores, np.where(safe, slack, np.inf)

    def _take(self, queries: Numbers, rows: Numbers, values: Float64) -> None:
        """Merge pairs of a query and a row, features (P, D), scored exactly."""
        finite = np.isfinite(values).all(axis=1)
        queries, rows, values = queries[finite], rows[finite], values[finite]
        scores = self._exact(queries, values)
        for query in np.unique(queries):
            mine = queries == query
            merged_scores = np.concatenate([self._scores[query], scores[mine]])
            merged_rows = np.concatenate([self._rows[query], rows[mine]])
            best = np.lexsort((merged_rows, -merged_scores))[: self._k]
            self._rows[query], self._scores[query] = merged_rows[best], merged_scores[best]
        reached = self._scores[:, -1] / self._divisors if self._k else self._floor
        self._floor = np.maximum(self._floor, reached)

    def _exact(self, queries: Numbers, values: Float64) -> Float32:
        """Scores of pairs. The sum over a row is the same wherever the row is, so equal rows have equal scores."""
        scores = (values * self._queries[queries]).sum(axis=1)
        if self._cosine:
            lengths = _lengths(values) * self._lengths[queries]
            scores = np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > 0)
        with np.errstate(over="ignore"):
            return np.asarray(scores, np.float32)

    def result(self) -> Neighbors:
        """The answer; every query has met the same rows, so all have equally many."""
        n = int((self._rows[0] != _NO_ROW).sum()) if len(self._rows) else 0
        return Neighbors(self._rows[:, :n], self._scores[:, :n])
