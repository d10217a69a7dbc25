"""The same store in another file format: equal key, arrays, columns and manifest, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cache.backends import backend_of
from cache.columns import Columns
from cache.errors import StorageError, StoreIncompleteError
from cache.keys import StoreKey
from cache.places import AnyPath
from cache.places.lock import exclusive, lock_path
from cache.store import Store, open_store, store_exists
from cache.upkeep.inspection import OnShard
from cache.writing.unfinished import unfinished
from cache.writing.writer import StoreWriter

__all__ = ["convert"]


def convert(source: Store, target: AnyPath, on_shard: OnShard | None = None) -> int:
    """Copy a store to `target`, whose suffix chooses the format; a stopped conversion resumes.

    Parameters
    ----------
    source : checked while it is read
    target : where nothing is, or an earlier copy of the same features, whose columns are brought up to date
    on_shard : called with (done, all) after each shard

    Returns
    -------
    How many shards were copied; 0 if the target is up to date.

    Raises
    ------
    StorageError
        If other features are at the target: they are never replaced.
    StoreIncompleteError
        If another store is unfinished there.
    StoreDamagedError
        If the source is not what was written; the target is as it was.
    """
    backend_of(target)
    if source.path == target:
        raise StorageError(f"{target}: expected another path than the store's own")
    with exclusive(lock_path(target)):
        if _is_copy(source, target):
            return 0
        _require_no_other_work(source, target)
        writer = StoreWriter(
            target, StoreKey.from_fields(source.manifest.key_fields), source.manifest.schema, "convert"
        )
        copied = _copy_shards(source, writer, on_shard or (lambda _done, _all: None))
        writer.finish(_columns(source), source.manifest.dataset, source.manifest.provenance)
        return copied


def _is_copy(source: Store, target: AnyPath) -> bool:
    """Whether the target is this store already; refused if it is one with other features."""
    if not store_exists(target):
        return False
    manifest = open_store(target).manifest
    if (manifest.key, manifest.arrays) != (source.key, source.manifest.arrays):
        raise StorageError(
            f"{target}: expected nothing or an earlier copy of {source.path}, found other features "
            f"(key {manifest.key[:12]}, not {source.key[:12]}). Remove that store first, or choose another name"
        )
    return manifest == source.manifest


def _require_no_other_work(source: Store, target: AnyPath) -> None:
    stopped = unfinished(target)
    if stopped is None or stopped.plan.key == source.key:
        return
    work = "extraction" if stopped.plan.command == "extract" else "conversion"
    raise StoreIncompleteError(
        f"{target}: another store is unfinished there ({stopped.progress}). Finish it by the same {work}, or remove it",
        remedy=[("store gc", {"root": str(target.parent), "unfinished": True})],
        purpose="to remove it",
    )


def _copy_shards(source: Store, writer: StoreWriter, on_shard: OnShard) -> int:
    """Copy what the writer does not hold already, bit for bit: an encoder may have made its shards a bit otherwise."""
    records = source.manifest.shards
    pending = [r.shard for r in records if r.shard not in writer.done or writer.done[r.shard] != r]
    for done, shard in enumerate(pending, start=1):
        writer.put(shard, source.shard(shard), records[shard].rejected)
        on_shard(done, len(pending))
    return len(pending)


def _columns(source: Store) -> Columns:
    frame = source.frame  # checked
    return {name: _values(frame[name].to_numpy()) for name in source.manifest.columns}


def _values(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As a writer takes them: pandas may keep text in a type of its own."""
    return values if values.dtype.kind in "biuf" else np.asarray(values, dtype=object)
