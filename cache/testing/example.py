"""A small store whose content is known: everything follows from its parameters and the seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.keys import StoreKey
from cache.places import AnyPath
from cache.schema import ArraySpec, Schema
from cache.store import Store, open_store
from cache.writing.writer import StoreWriter

__all__ = ["Example"]

ARRAYS = (
    ArraySpec("pooled", (6,), "float16"),
    ArraySpec("tokens", (3, 5), "float32"),
    ArraySpec("pixels", (4, 4, 3), "uint8"),
)
_SPLITS = ("train", "val", "test")
_LABELS = ("surprise", "fear", "neutral")


@dataclass(frozen=True)
class Example:
    """N rows in shards of `shard_rows`; every seventh row, from the third, is rejected.

    `seed` changes the features and the key; `generation` and `subjects` (taken in turn) change the columns only;
    `plain` leaves the columns that every store has.
    """

    n_rows: int = 10
    shard_rows: int = 4
    n_views: int = 2
    arrays: tuple[ArraySpec, ...] = ARRAYS
    seed: int = 0
    generation: int = 0
    subjects: tuple[str, ...] = ("",)
    plain: bool = False

    @property
    def schema(self) -> Schema:
        return Schema(self.n_rows, self.n_views, self.arrays, self.shard_rows)

    @property
    def key(self) -> StoreKey:
        names = tuple(array.name for array in self.arrays)
        return StoreKey(f"samples-{self.seed}", {"family": "example"}, {"size": 4}, names, {"n": 2}, "float32", "mixed")

    def other(self, **changes: Any) -> Example:
        return replace(self, **changes)

    def is_rejected(self, row: int) -> bool:
        return row % 7 == 2

    def rejected(self, shard: int) -> dict[int, str]:
        return {
            row: f"cannot be decoded: Bild {row} «défaut»" for row in self.schema.rows(shard) if self.is_rejected(row)
        }

    def blocks(self, shard: int) -> dict[str, npt.NDArray[Any]]:
        """Output name -> shape (V, rows, *row_shape); rejected rows hold the value for missing."""
        rng = np.random.default_rng([self.seed, shard])
        missing = [self.is_rejected(row) for row in self.schema.rows(shard)]
        blocks = {}
        for array in self.arrays:
            block = rng.uniform(0, 255, (self.n_views, len(missing), *array.row_shape)).astype(array.dtype)
            block[:, missing] = array.missing
            blocks[array.name] = block
        return blocks

    def values(self, output: str) -> npt.NDArray[Any]:
        """The whole output, shape (V, N, *row_shape)."""
        return np.concatenate([self.blocks(shard)[output] for shard in range(self.schema.n_shards)], axis=1)

    @property
    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Text with signs beyond ASCII, empty text, whole numbers, and numbers that are missing."""
        rows = range(self.n_rows)
        reasons = {row: reason for shard in range(self.schema.n_shards) for row, reason in self.rejected(shard).items()}
        texts = {
            "id": [f"Müller/表情-{row:04d}.png" for row in rows],
            "label": [_LABELS[row % len(_LABELS)] for row in rows],
            "split": [_SPLITS[(row + self.generation) % len(_SPLITS)] for row in rows],
            "status": ["rejected" if row in reasons else "ok" for row in rows],
        }
        return {name: np.array(values, dtype=object) for name, values in texts.items()} | self._others(reasons)

    def _others(self, reasons: Mapping[int, str]) -> dict[str, npt.NDArray[Any]]:
        if self.plain:
            return {}
        rows = range(self.n_rows)
        texts = {
            "reason": [reasons.get(row, "") for row in rows],
            "subject": [self.subjects[row % len(self.subjects)] for row in rows],
        }
        numbers: dict[str, npt.NDArray[Any]] = {
            "frame": np.arange(self.n_rows) - 1,
            "votes": np.zeros(self.n_rows, np.int32),
            "quality": np.where(np.arange(self.n_rows) % 2, np.nan, 0.1).astype(np.float32),
        }
        return {name: np.array(values, dtype=object) for name, values in texts.items()} | numbers

    def put(self, writer: StoreWriter, shards: Iterable[int]) -> None:
        for shard in shards:
            writer.put(shard, self.blocks(shard), self.rejected(shard))

    def begin(self, target: AnyPath, shards: Iterable[int] = ()) -> StoreWriter:
        """A writer that has put some shards and then stops, as a killed process does."""
        writer = StoreWriter(target, self.key, self.schema)
        self.put(writer, shards)
        return writer

    def finish(self, writer: StoreWriter) -> Store:
        """Put what is pending and complete the store."""
        self.put(writer, writer.pending)
        classes = list(_LABELS)
        writer.finish(self.columns, {"name": "example", "classes": classes}, {"made_by": "cache.testing"})
        return open_store(writer.target)

    def write(self, target: AnyPath) -> Store:
        return self.finish(self.begin(target))

    def is_content_of(self, store: Store) -> bool:
        """Whether a reader gets exactly this example: every value of every output and view, and every column."""
        frame = store.frame
        if (store.key, len(store), set(frame)) != (self.key.digest, self.n_rows, set(self.columns)):
            return False
        features = ((store.read(np.arange(self.n_rows), a.name, v), self.values(a.name)[v]) for a, v in self._stacks())
        columns = ((frame[name].to_numpy(), values) for name, values in self.columns.items())
        return all(_equal(actual, expected) for actual, expected in [*features, *columns])

    def _stacks(self) -> list[tuple[ArraySpec, int]]:
        return [(array, view) for array in self.arrays for view in range(self.n_views)]


def _equal(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    """Bit by bit, so that NaN equals NaN; texts by their values."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes()
