"""Which arrays a store has, and how they are cut.

A *shard* is a range of rows with all its outputs and views: the unit of work, of ownership and of resuming.
A *block* is one shard of one output: shape (V, rows, *row_shape). A *chunk* is what the backend keeps in one piece;
chunks never cross shards, so one chunk has one writer.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["MISSING_INTEGERS", "OK", "ArraySpec", "Schema", "plan_shards", "read_together"]

OK = "ok"  # in the column `status`: the row has a feature

MISSING_INTEGERS = {"frame": -1, "fold": -1}  # column -> what is stored where a row has none: integers have no NaN

SHARD_BYTES = 256 * 2**20
MAX_SHARD_ROWS = 512
CHUNK_BYTES = 8 * 2**20


@dataclass(frozen=True)
class ArraySpec:
    """One output: `name`, the shape of a row without views, and its dtype. On disk: (V, N, *row_shape)."""

    name: str
    row_shape: tuple[int, ...]
    dtype: str

    @property
    def row_bytes(self) -> int:
        return math.prod(self.row_shape) * np.dtype(self.dtype).itemsize

    @property
    def missing(self) -> float | int:
        """What stands where no feature is: NaN for floats (never a number that could be trained on), 0 for pixels."""
        return float("nan") if np.dtype(self.dtype).kind == "f" else 0


@dataclass(frozen=True)
class Schema:
    """N rows, V views, the outputs, and how many rows make a shard."""

    n_rows: int
    n_views: int
    arrays: tuple[ArraySpec, ...]
    shard_rows: int

    @classmethod
    def plan(cls, n_rows: int, n_views: int, arrays: tuple[ArraySpec, ...]) -> Schema:
        """Shards of at most 512 rows and about 256 MB, a power of two: minutes of work on a laptop, bounded memory."""
        row_bytes = n_views * sum(array.row_bytes for array in arrays)
        fitting = max(1, SHARD_BYTES // max(1, row_bytes))
        return cls(n_rows, n_views, arrays, min(MAX_SHARD_ROWS, 2 ** int(math.log2(fitting))))

    @property
    def n_shards(self) -> int:
        return -(-self.n_rows // self.shard_rows)

    def rows(self, shard: int) -> range:
        """The rows of one shard; the last one may be shorter."""
        start = shard * self.shard_rows
        return range(start, min(start + self.shard_rows, self.n_rows))

    def chunk_rows(self, array: ArraySpec) -> int:
        """Rows in one chunk: the shard, halved until a chunk is at most about 8 MB."""
        rows = self.shard_rows
        while rows > 1 and rows * array.row_bytes > CHUNK_BYTES:
            rows //= 2
        return rows

    def array(self, name: str) -> ArraySpec:
        return next(array for array in self.arrays if array.name == name)

    def as_json(self) -> dict[str, Any]:
        arrays = [{"name": a.name, "row_shape": list(a.row_shape), "dtype": a.dtype} for a in self.arrays]
        return {"n_rows": self.n_rows, "n_views": self.n_views, "shard_rows": self.shard_rows, "arrays": arrays}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        arrays = tuple(ArraySpec(a["name"], tuple(a["row_shape"]), a["dtype"]) for a in data["arrays"])
        return cls(data["n_rows"], data["n_views"], arrays, data["shard_rows"])


def plan_shards(schema: Schema, done: Collection[int]) -> list[int]:
    """The shards that still have to be made, in order."""
    return [shard for shard in range(schema.n_shards) if shard not in done]


def read_together(shards: Sequence[int], shard_bytes: int) -> list[Sequence[int]]:
    """The shards in groups of at most 8 MB, or of one shard, to be read by one call: each costs about 1 ms."""
    size = max(1, CHUNK_BYTES // max(1, shard_bytes))
    return [shards[start : start + size] for start in range(0, len(shards), size)]
