"""Rows of a store: their columns, and their features in RAM, block by block, or lazily.

What rows need of a store is a `RowSource`, so that exports and memory-mapped copies of rows know no store.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache.manifest import Manifest
from cache.places import AnyPath
from cache.schema import OK, ArraySpec

if TYPE_CHECKING:
    import dask.array

__all__ = ["Part", "RowSource", "Rows"]

_EXTRA_BYTES = 2**26


class RowSource(Protocol):
    """What rows need of a store; see `cache.store.Store`."""

    @property
    def path(self) -> AnyPath: ...

    @property
    def manifest(self) -> Manifest: ...

    @property
    def key(self) -> str: ...

    @property
    def dataset(self) -> str: ...

    @property
    def encoder(self) -> Mapping[str, Any]: ...

    def array(self, output: str) -> ArraySpec:
        """Row shape and dtype of an output."""

    def columns(self, names: Sequence[str]) -> pd.DataFrame:
        """Some columns of all rows, checked."""

    def read_shard(self, shard: int, output: str, view: int) -> npt.NDArray[Any]:
        """The rows of one shard, shape (rows, *row_shape), checked."""

    def read_shards(self, shards: Sequence[int], output: str, view: int) -> Iterator[npt.NDArray[Any]]:
        """The same for some shards, in turn."""

    def read_into(self, shards: Sequence[int], blocks: Sequence[npt.NDArray[Any]], output: str, view: int) -> None:
        """The same, into arrays of the shards' shapes."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a store: `.frame` for their columns, `.numpy()` or `.dask()` for their features."""

    store: RowSource
    rows: npt.NDArray[np.intp]
    columns: tuple[str, ...]
    output: str
    view: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def frame(self) -> pd.DataFrame:
        """The chosen columns; the index is the row number in the store."""
        frame = self.store.columns(self.columns)
        is_all = len(self) == len(frame) and np.array_equal(self.rows, frame.index)
        return frame if is_all else frame.loc[self.rows]

    @cached_property
    def without_feature(self) -> npt.NDArray[np.bool_]:
        """For each row whether nothing is stored for it; bool, shape (len(self),).

        Its image was rejected, or the view was not made of it: only rows of the train split have views beyond the plain
        one. Those other rows are read, since only their values tell.
        """
        frame = replace(self, columns=("status", "split")).frame
        missing = (frame["status"] != OK).to_numpy(dtype=bool, copy=True)
        if self.view:
            others = np.flatnonzero(~missing & (frame["split"] != "train").to_numpy())
            spec, start = self.store.array(self.output), 0
            for _rows, values in replace(self, rows=self.rows[others]).blocks():
                flat = values.reshape(len(values), -1)
                empty = np.isnan(flat) if flat.dtype.kind == "f" else flat == spec.missing
                missing[others[start : start + len(values)]] = empty.all(axis=1)
                start += len(values)
        return missing

    def blocks(self) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[Any]]]:
        """Row numbers and features, shard by shard: for one pass over more rows than fit into RAM."""
        parts = self.parts()
        read = self.store.read_shards([part.shard for part in parts], self.output, self.view)
        for part, values in zip(parts, read, strict=True):
            yield self.rows[part.at], values[part.inside]

    def chunks(self, n_bytes: int) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[Any]]]:
        """The same in larger pieces: whole shards, about `n_bytes` at a time, read side by side."""
        n_rows = max(1, n_bytes // self.store.array(self.output).row_bytes)
        start = 0
        for part in self.parts():
            if part.at.stop - start >= n_rows or part.at.stop == len(self):
                rows = self.rows[start : part.at.stop]
                yield rows, replace(self, rows=rows).numpy()
                start = part.at.stop

    def numpy(self) -> npt.NDArray[Any]:
        """Features in RAM, shape (len(self), *row_shape), as stored. Rejected rows are NaN (0 in pixels)."""
        spec, schema = self.store.array(self.output), self.store.manifest.schema
        values = np.empty((len(self), *spec.row_shape), spec.dtype)
        for parts in self._read_together():
            rows = [schema.rows(part.shard) for part in parts]
            blocks = [
                values[part.at] if part.is_whole(len(inside)) else np.empty((len(inside), *spec.row_shape), spec.dtype)
                for part, inside in zip(parts, rows, strict=True)
            ]
            self.store.read_into([part.shard for part in parts], blocks, self.output, self.view)
            for part, inside, block in zip(parts, rows, blocks, strict=True):
                if not part.is_whole(len(inside)):
                    values[part.at] = block[part.inside]
        return values

    def _read_together(self) -> Iterator[list[Part]]:
        """Parts in groups: shards of which only some rows are taken need memory besides the result, 64 MB at most."""
        schema, row_bytes = self.store.manifest.schema, self.store.array(self.output).row_bytes
        group: list[Part] = []
        extra = 0
        for part in self.parts():
            n_rows = len(schema.rows(part.shard))
            n_bytes = 0 if part.is_whole(n_rows) else n_rows * row_bytes
            if group and extra + n_bytes > _EXTRA_BYTES:
                yield group
                group, extra = [], 0
            group.append(part)
            extra += n_bytes
        if group:
            yield group

    def dask(self) -> dask.array.Array:
        """The same, read shard by shard when computed: for features larger than RAM."""
        import dask
        import dask.array as da

        spec = self.store.array(self.output)
        read = dask.delayed(_read_inside, pure=True)
        parts = [
            da.from_delayed(
                read(self.store, part.shard, self.output, self.view, part.inside),
                shape=(part.at.stop - part.at.start, *spec.row_shape),
                dtype=spec.dtype,
            )
            for part in self.parts()
        ]
        return da.concatenate(parts) if parts else da.empty((0, *spec.row_shape), dtype=spec.dtype)

    def parts(self) -> list[Part]:
        """Which rows are in which shard, in the order of the rows."""
        if not len(self):
            return []
        shard_rows = self.store.manifest.schema.shard_rows
        if (np.diff(self.rows) == 1).all():
            return _consecutive(int(self.rows[0]), int(self.rows[-1]) + 1, shard_rows)
        shards = self.rows // shard_rows
        cuts = [0, *(np.flatnonzero(np.diff(shards)) + 1).tolist(), len(shards)]
        n_gaps = np.concatenate([[0], np.cumsum(np.diff(self.rows) != 1)])  # before each row
        parts = []
        for start, stop in itertools.pairwise(cuts):
            shard = int(shards[start])
            first = shard * shard_rows
            # A slice where rows follow each other: it copies nothing.
            in_one_piece = n_gaps[start] == n_gaps[stop - 1]
            inside = (
                slice(int(self.rows[start]) - first, int(self.rows[stop - 1]) + 1 - first)
                if in_one_piece
                else self.rows[start:stop] - first
            )
            parts.append(Part(shard, slice(start, stop), inside))
        return parts


class Part(NamedTuple):
    """Rows of one shard: their positions in the selection, and in the shard."""

    shard: int
    at: slice
    inside: slice | npt.NDArray[np.intp]

    def is_whole(self, n_rows: int) -> bool:
        """Whether it is all rows of a shard of `n_rows`, in order."""
        return isinstance(self.inside, slice) and self.inside.stop - self.inside.start == n_rows


def _consecutive(start: int, stop: int, shard_rows: int) -> list[Part]:
    """Parts of the rows from `start` to `stop`, each of which follows the one before."""
    parts = []
    for shard in range(start // shard_rows, -(-stop // shard_rows)):
        first = shard * shard_rows
        begin, end = max(first, start), min(first + shard_rows, stop)
        parts.append(Part(shard, slice(begin - start, end - start), slice(begin - first, end - first)))
    return parts


def _read_inside(
    store: RowSource, shard: int, output: str, view: int, inside: slice | npt.NDArray[np.intp]
) -> npt.NDArray[Any]:
    return store.read_shard(shard, output, view)[inside]
