"""The best k rows of every query among those that were scored exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["BestRows"]

Float64 = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]

_EXACT = 2**20  # float64 values of rows that are scored together


class BestRows:
    """Rows in the order of their scores in float64, rounded to float32; equal ones in the order of their numbers.

    Parameters
    ----------
    queries : float64, shape (Q, D)
    k : rows to keep of each
    is_cosine : whether scores are cosines (0 where a vector is zero), else dot products

    Attributes
    ----------
    unit : float32, shape (Q, D)
        The queries at length 1, or zero: their length changes no order.
    floor : float64, shape (Q,)
        What k rows at least reach as product with `unit` (cosine: divided by the length of the row).
    """

    def __init__(self, queries: Float64, k: int, is_cosine: bool) -> None:
        self._queries, self._k, self._is_cosine = queries, k, is_cosine
        self._lengths = _lengths(queries)
        divisors = np.where(self._lengths > 0, self._lengths, 1.0)
        self.unit = (queries / divisors[:, None]).astype(np.float32)
        self.floor = np.full(len(queries), -float(np.finfo(np.float32).max))
        self._divisors = np.ones_like(divisors) if is_cosine else divisors
        # Pairs of a query and a row: the best so far, then new ones in any order.
        self._pairs = [(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float32))]
        self._n_new = 0

    def take(self, rows: Numbers, values: npt.NDArray[Any], positions: Numbers, queries: Numbers) -> None:
        """Score pairs of a row and a query.

        Parameters
        ----------
        rows, values : numbers (M,) and features (M, D) of some rows; a row that is not finite is passed over
        positions, queries : shape (P,); which of the rows is paired with which query
        """
        step = max(1, _EXACT // values.shape[1])
        for start in range(0, len(positions), step):
            at, query = positions[start : start + step], queries[start : start + step]
            features = values[at].astype(np.float64)
            finite = np.isfinite(features).all(axis=1)
            at, query, features = at[finite], query[finite], features[finite]
            self._pairs.append((query, rows[at], self._exact(query, features)))
            self._n_new += len(query)
            if self._n_new > self._k * len(self._queries):
                self._merge()
        if 2 * self._n_new > self._k * len(self._queries):
            self._merge()

    def _exact(self, queries: Numbers, values: Float64) -> npt.NDArray[np.float32]:
        """Scores of pairs. The sum over a row is the same wherever the row is, so equal rows have equal scores."""
        scores = (values * self._queries[queries]).sum(axis=1)
        if self._is_cosine:
            lengths = _lengths(values) * self._lengths[queries]
            scores = np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > 0)
        with np.errstate(over="ignore"):
            return np.asarray(scores, np.float32)

    def _merge(self) -> None:
        """Keep the best k pairs of each query, and raise the floor to the last of them."""
        queries, rows, scores = (np.concatenate(parts) for parts in zip(*self._pairs, strict=True))
        order = np.lexsort((rows, -scores, queries))
        queries = queries[order]
        rank = np.arange(len(queries)) - np.searchsorted(queries, queries)
        kept = order[rank < self._k]
        last = order[rank == self._k - 1]
        self._pairs, self._n_new = [(queries[rank < self._k], rows[kept], scores[kept])], 0
        full = queries[rank == self._k - 1]
        self.floor[full] = np.maximum(self.floor[full], scores[last].astype(np.float64) / self._divisors[full])

    def result(self) -> tuple[Numbers, npt.NDArray[np.float32]]:
        """Rows and scores, shape (Q, n): n is k, or less where there are fewer rows, the same for every query."""
        self._merge()
        _queries, rows, scores = self._pairs[0]
        n = len(rows) // max(1, len(self._queries))
        return rows.reshape(len(self._queries), n), scores.reshape(len(self._queries), n)


def _lengths(vectors: Float64) -> Float64:
    return np.asarray(np.sqrt((vectors * vectors).sum(axis=1)))
