"""A finished store, for reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache.backends import Backend, Target, backend_of
from cache.columns import Column, column_digests, is_text, row_blocks
from cache.errors import RESTORE, QueryError, StoreDamagedError
from cache.manifest import Manifest
from cache.mmap_copies import in_ram_or_mapped
from cache.neighbors import Metric, Neighbors, nearest
from cache.places import AnyPath, as_path, exists, is_file, network_errors
from cache.places.objects import METADATA_FILE
from cache.places.refusals import read_errors
from cache.query import names_in, row_mask
from cache.remedies import output_missing, store_incomplete, store_missing
from cache.schema import OK, ArraySpec, read_together
from cache.selection import Selection
from cache.writing.unfinished import unfinished

__all__ = ["Store", "open_store", "store_exists"]

_BLOCK_ROWS = 2**16


def store_exists(path: AnyPath) -> bool:
    """Whether something is at `path`. On an object store that is its metadata file, which is written last."""
    with network_errors(path):
        if isinstance(path, Path):
            with read_errors(str(path)):
                return exists(path)
        return is_file(path / METADATA_FILE)


def open_store(path: str | AnyPath) -> Store:
    """Open a finished store.

    Raises
    ------
    StoreMissingError
        If nothing is at `path`.
    StoreIncompleteError
        If its writer was stopped; the message says how far it came and how to finish it.
    SchemaError
        If it is no fer-stage store, or of a newer schema.
    StoreLockedError, StorageError
        If another program has it open for writing, or the system does not let it be read: its bytes may be right.
    """
    path = as_path(path)
    backend = backend_of(path)
    if not store_exists(path):
        if stopped := unfinished(path):
            raise store_incomplete(path, stopped)
        raise store_missing(path)
    try:
        manifest = backend.read_manifest(path)
    except (FileNotFoundError, StoreDamagedError):
        if not store_exists(path):  # another process has removed it since
            raise store_missing(path) from None
        raise
    return Store(path, backend, Manifest.from_text(manifest, str(path)))


@dataclass(frozen=True)
class Store:
    """The features of one dataset under one encoder. Holds no open file, so it may be forked and pickled.

    It is a `pipeline.features.FeatureSource`: training and evaluation read it split by split.
    """

    path: AnyPath
    backend: Backend
    manifest: Manifest

    @property
    def key(self) -> str:
        return self.manifest.key

    @property
    def dataset(self) -> str:
        return str(self.manifest.dataset["name"])

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.manifest.dataset["classes"])

    @property
    def encoder(self) -> Mapping[str, Any]:
        """What must be equal for two stores' features to be comparable: encoder, preprocess and precision."""
        fields = self.manifest.key_fields
        return {name: fields[name] for name in ("encoder", "preprocess", "precision")}

    def __len__(self) -> int:
        return self.manifest.schema.n_rows

    def n_views(self) -> int:
        return self.manifest.schema.n_views

    @property
    def frame(self) -> pd.DataFrame:
        """One row per sample, in table order: `id`, `path`, `label`, `split`, `status`, `reason`, `sha256`, ...

        Raises
        ------
        StoreDamagedError
            If a column is not what was written.
        """
        return self.columns(list(self.manifest.columns))

    def columns(self, names: Sequence[str]) -> pd.DataFrame:
        """Some columns of `frame`. Each is read and checked once, then cached.

        Raises
        ------
        QueryError
            If there is no such column.
        StoreDamagedError
            If one is not what was written.
        """
        self._check_columns(names)
        damaged = []
        for name in dict.fromkeys(names):
            if name in self._columns:
                continue
            if (values := self.intact_column(name)) is None:
                damaged.append(name)
            else:
                self._columns[name] = _series(values)
        self._raise_if_damaged(damaged)
        return pd.DataFrame({name: self._columns[name] for name in names}, index=pd.RangeIndex(len(self)))

    def check_columns(self) -> None:
        """Read every column, one at a time, and keep none.

        Raises
        ------
        StoreDamagedError
            If one is not what was written.
        """
        self._raise_if_damaged([name for name in self.manifest.columns if self.intact_column(name) is None])

    def intact_column(self, name: str) -> Column | None:
        """One column, read again and not kept; None if it is not what was written.

        Raises
        ------
        StoreDamagedError
            If it cannot be read.
        """
        values = self.backend.read_column(self.path, self.manifest.schema, name)
        return values if column_digests({name: values})[name] == self.manifest.columns[name] else None

    def _raise_if_damaged(self, names: Sequence[str]) -> None:
        if names:
            raise StoreDamagedError(f"{self.path}: column {', '.join(names)} is not what was written. {RESTORE}")

    def _check_columns(self, names: Sequence[str]) -> None:
        if unknown := [name for name in names if name not in self.manifest.columns]:
            raise QueryError(f"no column {', '.join(unknown)}; there are {', '.join(self.manifest.columns)}")

    @cached_property
    def _columns(self) -> dict[str, pd.Series[Any]]:
        return {}

    def array(self, output: str = "pooled") -> ArraySpec:
        """Row shape and dtype of an output; QueryError if the store does not keep it."""
        names = [array.name for array in self.manifest.schema.arrays]
        if output not in names:
            raise output_missing(self.path, self.dataset, self.manifest.schema, output)
        return self.manifest.schema.array(output)

    def row_shape(self, output: str = "pooled") -> tuple[int, ...]:
        return tuple(self.array(output).row_shape)

    def width(self, output: str = "pooled") -> int:
        return self.row_shape(output)[-1]

    def read_shard(self, shard: int, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        """The rows of one shard, shape (rows, *row_shape), checked against the manifest.

        Raises
        ------
        StoreDamagedError
            If the bytes are not what was written: a flipped bit, a chunk cut short or missing.
        """
        return next(self.read_shards([shard], output, view))

    def read_shards(self, shards: Sequence[int], output: str = "pooled", view: int = 0) -> Iterator[npt.NDArray[Any]]:
        """The same for some shards, in turn; a few MB are in memory at a time, and no file stays open in between."""
        schema, spec = self.manifest.schema, self.array(output)
        for group in read_together(shards, schema.shard_rows * spec.row_bytes):
            blocks = [np.empty((len(schema.rows(shard)), *spec.row_shape), spec.dtype) for shard in group]
            self.read_into(group, blocks, output, view)
            yield from blocks

    def read_into(
        self, shards: Sequence[int], blocks: Sequence[npt.NDArray[Any]], output: str = "pooled", view: int = 0
    ) -> None:
        """Fill arrays with shards: the store is opened once, and several are read and checked at the same time.

        Parameters
        ----------
        blocks : for each shard a C-contiguous array of shape (rows, *row_shape) and the output's dtype

        Raises
        ------
        StoreDamagedError
            See `read_shard`. What is in the blocks is of no use then.
        """
        schema = self.manifest.schema
        targets = [Target(schema.rows(shard), block) for shard, block in zip(shards, blocks, strict=True)]
        checksums = self.backend.read_into(self.path, schema, output, view, targets)
        for shard, crc in zip(shards, checksums, strict=True):
            if crc != self.manifest.shards[shard].checksums[output][view]:
                rows = schema.rows(shard)
                where = f"{self.path}: rows {rows.start}-{rows.stop - 1} of {output}, view {view}"
                raise StoreDamagedError(f"{where} are not what was written. {RESTORE}")

    def shard(self, shard: int) -> dict[str, npt.NDArray[Any]]:
        """Output -> the block of one shard, shape (V, rows, *row_shape), checked: what a writer puts."""
        views = range(self.n_views())
        return {
            array.name: np.stack([self.read_shard(shard, array.name, view) for view in views])
            for array in self.manifest.schema.arrays
        }

    def read(self, rows: npt.NDArray[np.intp], output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        """Some rows, in the order of `rows` (ascending row numbers), shape (len(rows), *row_shape)."""
        return self._rows(rows, output, view).numpy()

    def _rows(self, rows: npt.NDArray[np.intp], output: str, view: int, columns: Sequence[str] = ()) -> Selection:
        self.array(output)
        self._check_view(view)
        return Selection(self, rows, tuple(columns), output, view)

    def _check_view(self, view: int) -> None:
        if not 0 <= view < self.n_views():
            raise QueryError(f"{self.path} has views 0 to {self.n_views() - 1}, not {view}")

    def select(
        self,
        where: str | None = None,
        *,
        columns: Sequence[str] | None = None,
        split: str | None = None,
        output: str = "pooled",
        view: int = 0,
    ) -> Selection:
        """The rows for which `where` holds (see `cache.query`), rejected ones included unless `where` leaves them out.

        Raises
        ------
        QueryError
            If the expression, a column, the output or the view is wrong.
        """
        mask = np.ones(len(self), bool) if where is None else row_mask(where, self.columns(self._named_in(where)))
        if split is not None:
            mask &= (self.columns(["split"])["split"] == split).to_numpy()
        names = list(self.manifest.columns) if columns is None else list(columns)
        self._check_columns(names)
        return self._rows(np.flatnonzero(mask), output, view, names)

    def _named_in(self, where: str) -> list[str]:
        """The columns that a condition needs; all of them if it names one that does not exist, for the answer."""
        named = names_in(where)
        return [name for name in self.manifest.columns if name in named or not named <= set(self.manifest.columns)]

    def neighbors(
        self,
        vectors: npt.ArrayLike,
        k: int,
        where: str | None = None,
        *,
        metric: Metric = "cosine",
        output: str = "pooled",
        view: int = 0,
    ) -> Neighbors:
        """The k nearest usable rows, among those for which `where` holds: see `cache.neighbors.nearest`.

        Every call reads all shards. For many calls load once: `nearest(store.select().numpy(), ...)` or `.memmap()`.
        """
        return nearest(self.select(where, output=output, view=view), vectors, k, metric)

    @property
    def unit(self) -> str:
        """What is predicted and scored: `image`, each row, or `clip`, whose rows are its frames."""
        return str(self.manifest.dataset.get("unit", "image"))

    def _usable(self, split: str) -> npt.NDArray[np.intp]:
        frame = self.columns(["split", "status"])
        return np.flatnonzero(((frame["split"] == split) & (frame["status"] == OK)).to_numpy())

    def labels(self, split: str) -> npt.NDArray[np.str_]:
        return self.columns(["label"])["label"].to_numpy(dtype=str)[self._usable(split)]

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        return self.columns(["id"])["id"].to_numpy(dtype=str)[self._usable(split)]

    def distributions(self, split: str) -> npt.NDArray[np.float64]:
        """Soft labels of the split's usable rows: the share of each class, shape (N, C); NaN in a row without any.

        Raises
        ------
        QueryError
            If the store has none, or a text of the column `distribution` is none.
        """
        return self.distributions_of(self._usable(split))

    def distributions_of(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Soft labels of some rows: as `distributions`."""
        texts = self.columns(["distribution"])["distribution"].to_numpy()[rows]
        shares = np.full((len(texts), len(self.classes)), np.nan)
        for i, text in enumerate(texts):
            if text:
                shares[i] = _shares(text, len(self.classes))
        return shares

    def features(
        self, split: str, output: str = "pooled", view: int = 0, *, budget_bytes: int | None = None
    ) -> npt.NDArray[Any]:
        """Raw features of the split's usable rows, shape (N, *row_shape): in RAM up to a budget, else memory-mapped.

        Parameters
        ----------
        budget_bytes : by default a quarter of the free memory; see `cache.mmap_copies`
        """
        return self.features_of(self._usable(split), output, view, budget_bytes=budget_bytes)

    def features_of(
        self, rows: npt.NDArray[np.intp], output: str = "pooled", view: int = 0, *, budget_bytes: int | None = None
    ) -> npt.NDArray[Any]:
        """Raw features of some rows, ascending row numbers: as `features`."""
        return in_ram_or_mapped(self._rows(rows, output, view), budget_bytes)

    def rejected(self, split: str) -> int:
        frame = self.columns(["split", "status"])
        return int(((frame["split"] == split) & (frame["status"] != OK)).sum())


def _shares(text: str, n_classes: int) -> list[float]:
    try:
        shares = [float(share) for share in text.split(",")]
    except ValueError:
        shares = []
    if len(shares) != n_classes:
        raise QueryError(
            f"column distribution: expected {n_classes} numbers with commas between them, found {text!a:.60}"
        )
    return shares


def _series(values: Column) -> pd.Series[Any]:
    """A column as pandas has it; of its texts only some are Python objects at a time."""
    if not is_text(values) or len(values) <= _BLOCK_ROWS:
        return pd.Series(values[:])
    return pd.concat([pd.Series(block) for block in row_blocks(values, _BLOCK_ROWS)], ignore_index=True)
