"""A finished store, for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache.backends import BACKENDS, Backend, backend_name, backend_of
from cache.errors import MEND, QueryError, StoreDamagedError, StoreIncompleteError, StoreMissingError
from cache.manifest import Manifest, checksum
from cache.query import row_mask
from cache.schema import ArraySpec
from cache.writer import column_digests, unfinished

if TYPE_CHECKING:
    import dask.array

__all__ = ["Selection", "Store", "find_store", "open_store", "store_path"]

_OK = "ok"


def store_path(root: Path, encoder: str, dataset: str, backend: str) -> Path:
    """Where the features of one dataset under one encoder stand: `root/<encoder>/<dataset>.zarr`."""
    return root / encoder / f"{dataset}{BACKENDS[backend].suffix}"


def find_store(root: Path, encoder: str, dataset: str) -> Store:
    """The finished store of a dataset, whichever backend holds it.

    Raises
    ------
    StoreMissingError
        If there is none, or if two backends hold different features.
    """
    paths = [store_path(root, encoder, dataset, backend) for backend in BACKENDS]
    found = [open_store(path) for path in paths if path.exists()]
    if not found:
        return open_store(next(filter(unfinished, paths), paths[0]))  # says what is unfinished or missing
    if len({(store.key, store.manifest.columns.get("split")) for store in found}) > 1:
        both = " and ".join(str(store.path) for store in found)
        raise StoreMissingError(f"{both} hold different features of {dataset}: remove the one you do not want")
    return found[0]


def open_store(path: str | Path) -> Store:
    """Open a finished store.

    Raises
    ------
    StoreMissingError
        If nothing stands at `path`.
    StoreIncompleteError
        If its writer was stopped; the message says how far it came and how to finish it.
    SchemaError
        If it is no fer-stage store, or of a newer schema.
    """
    path = Path(path)
    backend = backend_of(path)
    if not path.exists():
        name = backend_name(path)
        command = f"fer-stage extract --dataset {path.stem} --encoder {path.parent.name or 'NAME'} --backend {name}"
        if left := unfinished(path):
            command = left.command or command
            raise StoreIncompleteError(f"{path} is incomplete: {left.progress}. Run `{command}` again: it resumes")
        raise StoreMissingError(f"no store at {path}. Run `{command}` first")
    return Store(path, backend, Manifest.from_text(backend.read_manifest(path), str(path)))


@dataclass(frozen=True)
class Store:
    """The features of one dataset under one encoder. Holds no open file, so it may be forked and pickled.

    It is a `pipeline.features.FeatureSource`: training and evaluation read it split by split.
    """

    path: Path
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

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row per sample, in table order: `id`, `path`, `label`, `split`, `status`, `reason`, `sha256`, ...

        Raises
        ------
        StoreDamagedError
            If a column is not what was written.
        """
        columns = {name: self.backend.read_column(self.path, name) for name in self.manifest.columns}
        found = column_digests(columns)
        if damaged := [name for name, digest in self.manifest.columns.items() if found[name] != digest]:
            raise StoreDamagedError(f"{self.path}: column {', '.join(damaged)} is not what was written. {MEND}")
        return pd.DataFrame(columns)

    def array(self, output: str = "pooled") -> ArraySpec:
        """Row shape and dtype of an output; QueryError if the store does not keep it."""
        names = [array.name for array in self.manifest.schema.arrays]
        if output not in names:
            raise QueryError(
                f"{self.path} keeps {', '.join(names)}, not {output!r}. "
                f"Run: fer-stage extract --dataset {self.dataset} --outputs {','.join([*names, output])}"
            )
        return self.manifest.schema.array(output)

    def width(self, output: str = "pooled") -> int:
        return self.array(output).row_shape[-1]

    def read_shard(self, shard: int, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        """The rows of one shard, shape (rows, *row_shape), checked against the manifest.

        Raises
        ------
        StoreDamagedError
            If the bytes are not what was written: a flipped bit, a chunk cut short or missing.
        """
        rows = self.manifest.schema.rows(shard)
        values = self.backend.read_rows(self.path, output, view, rows)
        if checksum(values) != self.manifest.shards[shard].checksums[output][view]:
            where = f"{self.path}: rows {rows.start}-{rows.stop - 1} of {output}, view {view}"
            raise StoreDamagedError(f"{where} are not what was written. {MEND}")
        return values

    def read(self, rows: npt.NDArray[np.intp], output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        """Some rows, in the order of `rows` (ascending row numbers), shape (len(rows), *row_shape)."""
        spec = self.array(output)
        self._check_view(view)
        values = np.empty((len(rows), *spec.row_shape), spec.dtype)
        for shard, at, inside in _by_shard(rows, self.manifest.schema.shard_rows):
            values[at] = self.read_shard(shard, output, view)[inside]
        return values

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
        mask = row_mask(where, self.frame) if where is not None else np.ones(len(self), bool)
        if split is not None:
            mask &= (self.frame["split"] == split).to_numpy()
        names = list(self.frame.columns) if columns is None else list(columns)
        if unknown := [name for name in names if name not in self.frame]:
            raise QueryError(f"no column {', '.join(unknown)}; there are {', '.join(self.frame.columns)}")
        self.array(output)
        self._check_view(view)
        return Selection(self, np.flatnonzero(mask), tuple(names), output, view)

    def _usable(self, split: str) -> npt.NDArray[np.intp]:
        frame = self.frame
        return np.flatnonzero(((frame["split"] == split) & (frame["status"] == _OK)).to_numpy())

    def labels(self, split: str) -> npt.NDArray[np.str_]:
        return self.frame["label"].to_numpy(dtype=str)[self._usable(split)]

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        return self.frame["id"].to_numpy(dtype=str)[self._usable(split)]

    def features(self, split: str, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        return self.read(self._usable(split), output, view)

    def rejected(self, split: str) -> int:
        return int(((self.frame["split"] == split) & (self.frame["status"] != _OK)).sum())


@dataclass(frozen=True)
class Selection:
    """Some rows of a store: `.frame` for their columns, `.numpy()` or `.dask()` for their features."""

    store: Store
    rows: npt.NDArray[np.intp]
    columns: tuple[str, ...]
    output: str
    view: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def frame(self) -> pd.DataFrame:
        """The chosen columns; the index is the row number in the store."""
        return self.store.frame.loc[self.rows, list(self.columns)]

    def numpy(self) -> npt.NDArray[Any]:
        """Features in RAM, shape (len(self), *row_shape), as stored. Rejected rows are NaN (0 in pixels)."""
        return self.store.read(self.rows, self.output, self.view)

    def dask(self) -> dask.array.Array:
        """The same, read shard by shard when computed: for features larger than RAM."""
        import dask
        import dask.array as da

        spec = self.store.array(self.output)
        read = dask.delayed(_read_inside, pure=True)
        parts = [
            da.from_delayed(
                read(self.store, shard, self.output, self.view, inside),
                shape=(len(inside), *spec.row_shape),
                dtype=spec.dtype,
            )
            for shard, _at, inside in _by_shard(self.rows, self.store.manifest.schema.shard_rows)
        ]
        return da.concatenate(parts) if parts else da.empty((0, *spec.row_shape), dtype=spec.dtype)


def _read_inside(store: Store, shard: int, output: str, view: int, inside: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    return store.read_shard(shard, output, view)[inside]


def _by_shard(
    rows: npt.NDArray[np.intp], shard_rows: int
) -> list[tuple[int, npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """(shard, positions in `rows`, positions inside the shard) for every shard that `rows` touches."""
    shards = rows // shard_rows
    touched = []
    for shard in np.unique(shards):
        at = np.flatnonzero(shards == shard)
        touched.append((int(shard), at, rows[at] - shard * shard_rows))
    return touched
