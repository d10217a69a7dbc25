"""Which arrays a store has, and how they are cut.

A *shard* is a range of rows with all its outputs and views: the unit of work, of ownership and of resuming.
A *block* is one shard of one output: shape (V, rows, *row_shape). A *chunk* is what the backend keeps in one piece;
chunks never cross shards, so one chunk has one writer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cache.fields import Fields

__all__ = [
    "DTYPES",
    "MAX_ROW_BYTES",
    "MISSING_INTEGERS",
    "NAME",
    "OK",
    "TEXT_COLUMNS",
    "ArraySpec",
    "Schema",
    "plan_shards",
    "read_together",
]

OK = "ok"  # in the column `status`: the row has a feature

MISSING_INTEGERS = {"frame": -1, "fold": -1}  # column -> what is stored where a row has none: integers have no NaN

# What readers take for text, or for numbers as above; any other column may be either.
TEXT_COLUMNS = (
    *("id", "path", "label", "split", "status", "reason", "sha256", "subject", "clip", "scene", "box", "face"),
    "distribution",
)

SHARD_BYTES = 256 * 2**20
MAX_SHARD_ROWS = 512  # of stores up to MAX_SHARD_ROWS * MAX_SHARDS rows
MAX_SHARDS = 2**15
CHUNK_BYTES = 8 * 2**20

# What a store may be, for readers of one from elsewhere: nothing is allocated for a number beyond these.
DTYPES = ("float16", "float32", "float64", "uint8", "int64")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # of an array or a column: a plain name of a file
MAX_ROWS, MAX_VIEWS, MAX_ARRAYS, MAX_AXES, MAX_AXIS = 10**9, 10_000, 64, 8, 2**31
MAX_ROW_BYTES = 2**29  # of one row with all its views and outputs; a shard of several rows is SHARD_BYTES at most
_RESERVED = ("columns", "fer_stage")  # our own names inside a store


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
        """The value where no feature is: NaN for floats (never a number that could be trained on), 0 for pixels."""
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
        """Shards of a power of two rows, of at most about 256 MB: minutes of work on a laptop, bounded memory.

        They have at most 512 rows, and from 16.8 million rows on so many that there are at most 32,768 shards if they
        fit: the manifest has a record of each, and the folder a file.
        """
        fitting = max(1, SHARD_BYTES // max(1, cls(n_rows, n_views, arrays, 1).row_bytes))
        shard_rows = MAX_SHARD_ROWS
        while n_rows > shard_rows * MAX_SHARDS:
            shard_rows *= 2
        return cls(n_rows, n_views, arrays, min(shard_rows, 2 ** int(math.log2(fitting))))

    @property
    def row_bytes(self) -> int:
        """Of one row with all its views and outputs."""
        return self.n_views * sum(array.row_bytes for array in self.arrays)

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
    def from_json(cls, fields: Fields) -> Schema:
        """What `as_json` wrote.

        Raises
        ------
        SchemaError
            If a field is missing or impossible, names are not plain or not different, or a shard would be larger than a
            writer makes it.
        """
        arrays = tuple(_array_spec(array) for array in fields.mappings("arrays"))
        names = {array.name.casefold() for array in arrays}
        if not 0 < len(names) == len(arrays) <= MAX_ARRAYS:
            raise fields.wrong("arrays", f"1 to {MAX_ARRAYS} arrays of different names")
        schema = cls(
            fields.integer("n_rows", 1, MAX_ROWS),
            fields.integer("n_views", 1, MAX_VIEWS),
            arrays,
            fields.integer("shard_rows", 1, MAX_ROWS),
        )
        if schema.row_bytes > MAX_ROW_BYTES:
            raise fields.wrong("arrays", f"rows of at most {MAX_ROW_BYTES} bytes in all views")
        if schema.shard_rows > max(1, SHARD_BYTES // schema.row_bytes):
            raise fields.wrong("shard_rows", f"at most {SHARD_BYTES} bytes in a shard of several rows")
        return schema


def _array_spec(fields: Fields) -> ArraySpec:
    name = fields.text("name", NAME, "a plain name of an array")
    if name.casefold() in _RESERVED:
        raise fields.wrong("name", "a name that is none of a store's own parts")
    dtype = fields.text("dtype")
    if dtype not in DTYPES:
        raise fields.wrong("dtype", f"one of {', '.join(DTYPES)}")
    row_shape = fields.integers("row_shape", 1, MAX_AXIS)
    if len(row_shape) > MAX_AXES:
        raise fields.wrong("row_shape", f"at most {MAX_AXES} axes")
    return ArraySpec(name, row_shape, dtype)


def plan_shards(schema: Schema, done: Collection[int]) -> list[int]:
    """The shards that still have to be made, in order."""
    return [shard for shard in range(schema.n_shards) if shard not in done]


def read_together(shards: Sequence[int], shard_bytes: int) -> list[Sequence[int]]:
    """The shards in groups of at most 8 MB, or of one shard, to be read by one call: each costs about 1 ms."""
    size = max(1, CHUNK_BYTES // max(1, shard_bytes))
    return [shards[start : start + size] for start in range(0, len(shards), size)]
