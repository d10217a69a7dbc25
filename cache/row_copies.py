"""Rows of finished stores copied into the blocks of a new one, checked as they are read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import StorageError
from cache.keys import sha256_of
from cache.places import AnyPath
from cache.store import Store, open_store

__all__ = ["CopiedRows", "ReuseReader", "RowNumbers", "features_digest"]

_READER_BYTES = 2**30

RowNumbers = npt.NDArray[np.intp]


@dataclass(frozen=True)
class CopiedRows:
    """Rows of a finished store that belong into one shard of a new one.

    Parameters
    ----------
    source : where the finished store is
    digest : of its features, when the rows were looked up; see `features_digest`
    rows : its rows, intp, shape (M,)
    at : their positions in the shard, intp, shape (M,)
    views : which views are taken
    """

    source: AnyPath
    digest: str
    rows: RowNumbers
    at: RowNumbers
    views: range


def features_digest(store: Store) -> str:
    """The same for stores whose rows are the same features in the same order."""
    return sha256_of([store.key, store.manifest.arrays])


@dataclass
class ReuseReader:
    """Copies rows of other stores into blocks. Caches the last shards, up to 1 GB: rows may come in any order."""

    _stores: dict[AnyPath, Store] = field(default_factory=dict)
    _shards: OrderedDict[tuple[AnyPath, int, str, int], npt.NDArray[Any]] = field(default_factory=OrderedDict)

    def fill(self, blocks: Mapping[str, npt.NDArray[Any]], copies: Iterable[CopiedRows]) -> None:
        """Copy the rows of `copies` into `blocks` (output -> (V, rows, *row_shape)), checked as they are read.

        Raises
        ------
        StoreDamagedError
            If a source is not what was written. Nothing of it is used then.
        StorageError
            If another store is in its place by now: the rows would be those of other images.
        """
        for copied in copies:
            store = self._store(copied)
            shards = copied.rows // store.manifest.schema.shard_rows
            for shard in np.unique(shards):
                taken = shards == shard
                inside = copied.rows[taken] - shard * store.manifest.schema.shard_rows
                for output, block in blocks.items():
                    for view in copied.views:
                        block[view, copied.at[taken]] = self._shard(store, int(shard), output, view)[inside]

    def _store(self, copied: CopiedRows) -> Store:
        if copied.source not in self._stores:
            store = open_store(copied.source)
            if features_digest(store) != copied.digest:
                raise StorageError(
                    f"{copied.source} was replaced while rows of it were to be copied: expected the features that were "
                    "there when the rows were looked up. Run the same command again: finished shards are kept"
                )
            self._stores[copied.source] = store
        return self._stores[copied.source]

    def _shard(self, store: Store, shard: int, output: str, view: int) -> npt.NDArray[Any]:
        name = (store.path, shard, output, view)
        if name not in self._shards:
            self._shards[name] = store.read_shard(shard, output, view)
            while len(self._shards) > 1 and sum(values.nbytes for values in self._shards.values()) > _READER_BYTES:
                self._shards.popitem(last=False)
        self._shards.move_to_end(name)
        return self._shards[name]
