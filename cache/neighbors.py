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

from cache.best_rows import BestRows
from cache.errors import QueryError
from cache.half_floats import NOT_FINITE, Columns32, Widening
from cache.threads import side_by_side

__all__ = ["METRICS", "FeatureRows", "FlatIndex", "Metric", "Neighbors", "nearest"]

Metric: TypeAlias = Literal["cosine", "dot"]
METRICS: tuple[Metric, ...] = get_args(Metric)

Float32 = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.intp]

_BLOCK_VALUES = 2**18  # float32 values of one step: 1 MB stays in the core's own cache
_SCORES = 2**21  # float32 scores that are compared together
_QUERIES = 4096  # queries that are searched for together
_FEW = 4  # queries: up to so many our threads share the blocks, for more BLAS shares each product
_CHUNK_BYTES = 2**25  # of rows that are read together
_SAFE = (1e-25, 1e35)  # squared lengths between which float32 neither under- nor overflows


class FeatureRows(Protocol):
    """Rows that come in chunks, as `cache.rows.Rows`."""

    def __len__(self) -> int: ...

    def chunks(self, n_bytes: int) -> Iterator[tuple[Numbers, npt.NDArray[Any]]]:
        """Ascending row numbers, shape (M,), and their features, shape (M, *row_shape): about `n_bytes` at a time."""


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


class FlatIndex:
    """Rows in RAM, or memory-mapped, for many searches: the length of every row is computed once.

    Parameters
    ----------
    features : float, shape (N, *row_shape); not copied, and not to be changed while the index is used
    """

    def __init__(self, features: npt.NDArray[Any]) -> None:
        self._flat = _flat(features)
        self._lengths = _Lengths.of(self._flat)

    def nearest(self, vectors: npt.ArrayLike, k: int, metric: Metric = "cosine") -> Neighbors:
        """See `nearest`."""
        search = _searches(vectors, k, metric, len(self._flat))
        search.add(np.arange(len(self._flat)), self._flat, self._lengths)
        return search.result()


def nearest(
    features: FeatureRows | npt.NDArray[Any], vectors: npt.ArrayLike, k: int, metric: Metric = "cosine"
) -> Neighbors:
    """The k rows with the highest score for every query, found exactly.

    For many calls over the same array, `FlatIndex` computes the lengths of its rows once.

    Parameters
    ----------
    features : a Selection, read chunk by chunk, or float array (N, *row_shape): a loaded or memory-mapped one
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
    search = _searches(vectors, k, metric, len(features))
    if not isinstance(features, np.ndarray):
        for rows, values in features.chunks(_CHUNK_BYTES):
            search.add(rows, _flat(values))
    elif len(features):
        search.add(np.arange(len(features)), _flat(features))
    return search.result()


def _flat(features: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if features.dtype.kind != "f":
        raise QueryError(f"neighbours: expected float features, found {features.dtype}. Choose another output")
    return features.reshape(len(features), -1)


def _searches(vectors: npt.ArrayLike, k: int, metric: Metric, n_rows: int) -> _Searches:
    if k < 1 or metric not in METRICS:
        raise QueryError(
            f"neighbours: expected k > 0 and metric {' or '.join(METRICS)}, found k {k}, metric {metric!r}"
        )
    with np.errstate(over="ignore"):
        queries = np.atleast_2d(np.asarray(vectors, np.float32)).astype(np.float64)
    if queries.ndim != 2 or not np.isfinite(queries).all():
        raise QueryError(
            f"neighbours: expected finite queries of shape (Q, D), found {queries.shape} or NaN or infinity"
        )
    return _Searches(queries, min(k, n_rows), metric)


class _Searches:
    """Searches for all queries, some thousands at a time."""

    def __init__(self, queries: npt.NDArray[np.float64], k: int, metric: Metric) -> None:
        self._width = queries.shape[1]
        starts = range(0, max(1, len(queries)), _QUERIES)
        self._parts = [_Search(queries[start : start + _QUERIES], k, metric == "cosine") for start in starts]

    def add(self, rows: Numbers, flat: npt.NDArray[Any], lengths: _Lengths | None = None) -> None:
        """Take what is nearer than the best so far: ascending row numbers (M,) and features (M, D)."""
        if flat.shape[1] != self._width:
            raise QueryError(
                f"neighbours: expected queries of width {flat.shape[1]} as the features, found {self._width}"
            )
        for part in self._parts:
            part.add(rows, flat, lengths)

    def result(self) -> Neighbors:
        found = [part.best.result() for part in self._parts]
        return Neighbors(np.concatenate([rows for rows, _ in found]), np.concatenate([scores for _, scores in found]))


@dataclass(frozen=True)
class _Lengths:
    """Of rows, as far as float32 can say.

    Parameters
    ----------
    values : float32, shape (M,); 1 of rows that are zero, and of those below
    never : positions of rows that are not finite
    always : of those that are too short or too long for float32: only float64 can score them
    """

    values: Float32
    never: Numbers
    always: Numbers

    @classmethod
    def of(cls, flat: npt.NDArray[Any]) -> _Lengths:
        """Of all rows of an array, shape (M, D)."""
        step = _block_rows(flat)
        widening = Widening(flat.dtype, flat.shape[1], step)
        starts = range(0, len(flat), step)
        squares = side_by_side(lambda start: _squares(widening.true(flat[start : start + step])), starts)
        return cls.of_squares(flat, np.concatenate([np.empty(0, np.float32), *squares]))

    @classmethod
    def of_squares(cls, flat: npt.NDArray[Any], squares: Float32) -> _Lengths:
        """The same where the squared lengths are known."""
        largest = NOT_FINITE**2 / 2 if flat.dtype == np.float16 else _SAFE[1]
        unsafe = np.flatnonzero(~((squares > _SAFE[0]) & (squares < largest)))
        values = np.sqrt(squares, where=squares >= 0, out=np.ones_like(squares))
        finite = np.isfinite(flat[unsafe]).all(axis=1)
        safe_after_all = finite & (squares[unsafe] > _SAFE[0]) & (squares[unsafe] < _SAFE[1])
        always = unsafe[finite & ~safe_after_all & flat[unsafe].any(axis=1)]
        values[unsafe[~safe_after_all]] = 1
        return cls(values, unsafe[~finite], always)

    def part(self, start: int, stop: int) -> _Lengths:
        """Of rows `start` to `stop`."""
        never, always = (
            at[np.searchsorted(at, start) : np.searchsorted(at, stop)] - start for at in (self.never, self.always)
        )
        return _Lengths(self.values[start:stop], never, always)


def _squares(columns: Columns32) -> Float32:
    with np.errstate(all="ignore"):
        return np.asarray(sum(np.vecdot(part, part) for part in columns), np.float32)


def _block_rows(flat: npt.NDArray[Any]) -> int:
    return max(1, _BLOCK_VALUES // int(flat.shape[1]))


class _Search:
    """The best k rows of some queries so far."""

    def __init__(self, queries: npt.NDArray[np.float64], k: int, is_cosine: bool) -> None:
        self.best = BestRows(queries, k, is_cosine)
        self._k, self._is_cosine = k, is_cosine
        # Of a dot product of unit vectors, of the length of a row, and of rounding the query: twice what is possible.
        self._error = 2 * (queries.shape[1] + 8) * float(np.finfo(np.float32).eps)

    def add(self, rows: Numbers, flat: npt.NDArray[Any], lengths: _Lengths | None) -> None:
        """See `_Searches.add`."""
        n_queries = len(self.best.unit)
        if not n_queries or not self._k:
            return
        block = _block_rows(flat)
        step = max(block, _SCORES // n_queries // block * block)
        scores = np.empty((min(step, len(flat)), n_queries), np.float32)
        for start in range(0, len(flat), step):
            part = slice(start, min(start + step, len(flat)))
            known = lengths.part(part.start, part.stop) if lengths else None
            self._add(rows[part], flat[part], known, scores[: part.stop - part.start])

    def _add(self, rows: Numbers, flat: npt.NDArray[Any], lengths: _Lengths | None, scores: Float32) -> None:
        if lengths is None:
            squares = self._products(flat, scores, with_squares=True)
            lengths = _Lengths.of_squares(flat, squares)
        else:
            self._products(flat, scores, with_squares=False)
        if self._is_cosine:
            scores /= lengths.values[:, None]
        slack = self._error if self._is_cosine else self._error * float(lengths.values.max())
        for unusable in (lengths.never, lengths.always):
            scores[unusable] = -np.inf
        positions, queries = self._candidates(scores, slack)
        self.best.take(rows, flat, positions, queries)
        n_always, n_queries = len(lengths.always), scores.shape[1]
        if n_always:
            self.best.take(rows, flat, np.repeat(lengths.always, n_queries), np.tile(np.arange(n_queries), n_always))

    def _products(self, flat: npt.NDArray[Any], scores: Float32, *, with_squares: bool) -> Float32:
        """Fill `scores`, (M, Q), with the products of rows and unit queries; the squared lengths of the rows, if asked.

        Products that overflow belong to rows that are scored again.
        """
        step = _block_rows(flat)
        widening = Widening(flat.dtype, flat.shape[1], step)
        scale = np.float32(1) if with_squares else widening.scale
        queries = widening.split(self.best.unit * scale)
        squares = np.empty(len(flat) if with_squares else 0, np.float32)

        def block(start: int) -> None:
            part = slice(start, start + step)
            columns = widening.true(flat[part]) if with_squares else widening.scaled(flat[part])
            with np.errstate(all="ignore"):
                _add_products(columns, queries, scores[part])
                if with_squares:
                    squares[part] = _squares(columns)

        starts = range(0, len(flat), step)
        if scores.shape[1] <= _FEW:
            side_by_side(block, starts)
        else:
            for start in starts:
                block(start)
        return squares

    def _candidates(self, scores: Float32, slack: float) -> tuple[Numbers, Numbers]:
        """Positions of rows, and queries, whose score may be among the best k."""
        possible = scores >= (self.best.floor - slack).astype(np.float32)
        if np.count_nonzero(possible) > 4 * self._k * scores.shape[1] and len(scores) >= self._k:
            at = len(scores) - self._k
            reached = np.partition(scores, at, axis=0)[at].astype(np.float64) - slack
            self.best.floor = np.maximum(self.best.floor, reached)
            possible = scores >= (self.best.floor - slack).astype(np.float32)
        positions, queries = np.nonzero(possible)
        return positions, queries


def _add_products(columns: Columns32, queries: Columns32, out: Float32) -> None:
    """(M, d) @ (Q, d).T -> (M, Q), summed over the parts of the columns."""
    if out.shape[1] <= _FEW:
        for i in range(out.shape[1]):
            out[:, i] = sum(np.vecdot(part, query[i]) for part, query in zip(columns, queries, strict=True))
        return
    np.matmul(columns[0], queries[0].T, out=out)
    for part, query in zip(columns[1:], queries[1:], strict=True):
        out += part @ query.T
