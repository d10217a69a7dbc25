"""The one write path of a store.

A store grows in a hidden folder beside its final place: a plan (key and schema), a record of every finished shard,
and the blocks. A shard counts when its blocks are durable and its record says so. The finished store is put into
place as a whole, so readers see the old store, none, or the new one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.atomic import replace, write_bytes
from cache.backends import Columns, backend_of
from cache.backends.expected import text_limit
from cache.errors import StorageError, StoreDamagedError, StoreIncompleteError
from cache.keys import StoreKey, sha256_of
from cache.manifest import MAX_MANIFEST_BYTES, Manifest, ShardRecord, rejected_rows
from cache.places import Place, remove_tree
from cache.places.links import require_no_links
from cache.places.refusals import storage_errors
from cache.schema import Schema, plan_shards
from cache.writing.plan import MadeBy, Plan, Records, plan_path, read_plan

__all__ = [
    "ShardSink",
    "StoreWriter",
    "Unfinished",
    "building_folder",
    "column_digests",
    "finished_shards",
    "unfinished",
]


def building_folder(target: Place) -> Place:
    """Where the store that will be at `target` grows."""
    return target.with_name(f".{target.name}.building")


@dataclass(frozen=True)
class Unfinished:
    """A store whose writer was stopped: its plan, and how many of its shards are finished."""

    plan: Plan
    n_done: int

    @property
    def progress(self) -> str:
        """In words: `41 of 60 shards`."""
        return f"{self.n_done} of {self.plan.schema.n_shards} shards"


def unfinished(target: Place) -> Unfinished | None:
    """What a stopped writer of `target` left, or None."""
    folder = building_folder(target)
    plan = read_plan(folder)
    return Unfinished(plan, len(Records(folder, plan.schema).read())) if plan else None


def finished_shards(target: Place, key: StoreKey, schema: Schema) -> dict[int, ShardRecord]:
    """The shards of this very store that a stopped writer has finished."""
    return Records(building_folder(target), schema).read() if _is_resumable(target, key, schema) else {}


def _is_resumable(target: Place, key: StoreKey, schema: Schema) -> bool:
    folder = building_folder(target)
    plan = read_plan(folder)
    return plan is not None and plan.is_of(key, schema) and backend_of(target).holds_blocks(folder)


def column_digests(columns: Columns) -> dict[str, str]:
    """Column name -> digest of its values: of the strings, or of the numbers' dtype and bytes."""
    return {name: _column_digest(values) for name, values in columns.items()}


def _column_digest(values: npt.NDArray[Any]) -> str:
    if values.dtype == object:
        return sha256_of(values.tolist())
    return hashlib.sha256(values.dtype.str.encode() + np.ascontiguousarray(values).tobytes()).hexdigest()


@dataclass(frozen=True)
class ShardSink:
    """Where the shards of one growing store go. May be pickled: every worker of a cluster has its own."""

    target: Place
    schema: Schema

    def put(self, shard: int, blocks: Mapping[str, npt.NDArray[Any]], rejected: Mapping[int, str]) -> ShardRecord:
        """Keep one whole shard; it is finished when the call returns. See `StoreWriter.put`."""
        folder, backend = building_folder(self.target), backend_of(self.target)
        kept = {array.name: self._checked(shard, array.name, blocks[array.name]) for array in self.schema.arrays}
        for name, block in kept.items():
            backend.write_block(folder, self.schema, name, shard, block)
        record = ShardRecord.of(shard, kept, rejected)
        Records(folder, self.schema).add(record)
        return record

    def get(self, shard: int) -> tuple[dict[str, npt.NDArray[Any]], Mapping[int, str]]:
        """The blocks of a finished shard, checked against its record, and row -> why its image could not be used.

        Raises
        ------
        StoreDamagedError
            If the shard is not finished, or the disk does not hold what was put.
        """
        folder, backend = building_folder(self.target), backend_of(self.target)
        record = Records(folder, self.schema).get(shard)
        if record is None:
            raise StoreDamagedError(f"{folder}: shard {shard} has no record. Extract again: it resumes")
        names = [array.name for array in self.schema.arrays]
        blocks = {name: backend.read_block(folder, self.schema, name, shard) for name in names}
        _require_recorded(blocks, record, folder)
        return blocks, record.rejected

    def _checked(self, shard: int, name: str, block: npt.NDArray[Any]) -> npt.NDArray[Any]:
        array = self.schema.array(name)
        expected = (self.schema.n_views, len(self.schema.rows(shard)), *array.row_shape)
        if block.shape != expected or block.dtype != np.dtype(array.dtype):
            raise ValueError(f"block {name}: expected {array.dtype}{expected}, got {block.dtype}{block.shape}")
        return block


class StoreWriter:
    """Writes one store. Hold `cache.places.lock.exclusive` on it meanwhile.

    Parameters
    ----------
    target : where the finished store will be; its ending chooses the backend
    key : what the features are; shards of a stopped writer with the same key and schema are kept, others are removed
    schema : arrays and shards
    made_by : the command that writes it, for the advice of how to resume
    """

    def __init__(self, target: Place, key: StoreKey, schema: Schema, made_by: MadeBy = "extract") -> None:
        self.target, self.key = target, key
        self._backend = backend_of(target)
        self._folder = building_folder(target)
        require_no_links(self._folder)
        self._plan = Plan.of(key, schema, made_by)
        if not _is_resumable(target, key, schema):
            self._start(self._plan)
        self.schema, self.sink = schema, ShardSink(target, schema)
        self._done = finished_shards(target, key, schema)

    def _start(self, plan: Plan) -> None:
        plan.require_readable()
        _remove_unfinished(self._folder)
        with storage_errors(self._folder):
            if isinstance(self._folder, Path):  # an object store has no folders
                self._folder.mkdir(parents=True)
        self._backend.create(self._folder, plan.schema)
        write_bytes(plan_path(self._folder), plan.to_bytes())

    @property
    def done(self) -> Mapping[int, ShardRecord]:
        """Finished shards, those of an earlier, stopped writer included."""
        return self._done

    @property
    def pending(self) -> list[int]:
        return plan_shards(self.schema, self._done)

    @property
    def rejected(self) -> dict[int, str]:
        """Row -> reason, over all finished shards."""
        return rejected_rows(self._done.values())

    def put(self, shard: int, blocks: Mapping[str, npt.NDArray[Any]], rejected: Mapping[int, str]) -> None:
        """Keep one whole shard.

        Parameters
        ----------
        shard : its number
        blocks : output name -> array of shape (V, rows, *row_shape) and the schema's dtype
        rejected : row of the store -> why its image could not be used

        Raises
        ------
        StorageError
            If the disk refuses; all shards put before stay.
        """
        self.note(self.sink.put(shard, blocks, rejected))

    def note(self, record: ShardRecord) -> None:
        """A shard was finished: by `put`, or by a worker with a copy of `sink`."""
        self._done[record.shard] = record

    def make_again(self) -> None:
        """Remove the finished shards of an earlier, stopped writer: a kill leaves none that the next one would keep."""
        self._start(self._plan)
        self._done.clear()

    def read_shard(self, shard: int, output: str = "pooled") -> npt.NDArray[Any]:
        """The block of a finished shard, shape (V, rows, *row_shape), checked against its record.

        Raises
        ------
        StoreDamagedError
            If the disk does not hold what was put.
        """
        block = self._backend.read_block(self._folder, self.schema, output, shard)
        _require_recorded({output: block}, self._done[shard], self._folder)
        return block

    def finish(self, columns: Columns, dataset: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
        """Make the store whole and put it in its place.

        Parameters
        ----------
        columns : name -> one value per row (object dtype for strings)
        dataset : what the columns describe: `name`, `classes`, ...
        provenance : what made the features; nothing that differs between equal runs

        Raises
        ------
        StoreIncompleteError
            If shards are pending.
        StorageError
            If the disk refuses; all shards stay, and in a folder the old store where there was one. (An object store
            that fails while the new one is copied over the old one has neither until `finish` is called again.)
        """
        _check_columns(columns, self.schema.n_rows)
        if self.pending:
            raise StoreIncompleteError(
                f"{self.target}: {len(self.pending)} of {self.schema.n_shards} shards are pending"
            )
        manifest = Manifest(
            key=self.key.digest,
            key_fields=self.key.fields(),
            schema=self.schema,
            shards=tuple(self._done[shard] for shard in range(self.schema.n_shards)),
            columns=column_digests(columns),
            dataset=dataset,
            provenance=provenance,
        )
        by_name = dict(sorted(columns.items()))  # as a reader of the manifest sees them: a copy is the same bytes
        text = manifest.to_text()
        _require_readable(text, columns, self.target)
        whole = self._backend.assemble(self._folder, self.schema, by_name, text)
        replace(whole, self.target)
        _remove_unfinished(self._folder)


def _require_recorded(blocks: Mapping[str, npt.NDArray[Any]], record: ShardRecord, folder: Place) -> None:
    found = ShardRecord.of(record.shard, blocks, {}).sha256
    for output in blocks:
        if found[output] != record.sha256[output]:
            raise StoreDamagedError(
                f"{folder}: shard {record.shard} of {output} is not what was written. Delete the folder, extract again"
            )


def _check_columns(columns: Columns, n_rows: int) -> None:
    for name, values in columns.items():
        if values.shape != (n_rows,):
            raise ValueError(f"column {name}: expected one value for each of {n_rows} rows, got {values.shape}")
        is_text = values.dtype == object and all(isinstance(value, str) for value in values)
        if not is_text and values.dtype.kind not in "biuf":
            raise ValueError(f"column {name}: expected numbers, or strings only in an object array")
        unwritable = [row for row, value in enumerate(values) if not _can_be_written(value)] if is_text else []
        if unwritable:
            found = f"row {unwritable[0]}: {values[unwritable[0]]!r}"
            raise ValueError(f"column {name}: expected text that UTF-8 can write, without NUL, got {found}")


def _require_readable(manifest: str, columns: Columns, target: Place) -> None:
    """Refuse to put into place what readers refuse, and keep the shards and the old store."""
    if (n_bytes := len(manifest.encode())) > MAX_MANIFEST_BYTES:
        raise StorageError(
            f"{target}: expected a manifest of at most {MAX_MANIFEST_BYTES} bytes, found {n_bytes}: too many rows are "
            "rejected. Repair the dataset, or index a part of it"
        )
    Manifest.from_text(manifest, str(target))
    for name, values in columns.items():
        if values.dtype == object and (n_bytes := sum(len(text.encode()) + 4 for text in values)) > (
            limit := text_limit(len(values))
        ):
            raise StorageError(
                f"{target}: expected at most {limit} bytes of text in column {name}, found {n_bytes}. Shorten its texts"
            )


def _can_be_written(text: str) -> bool:
    """A file name that is no UTF-8 becomes a text that is none either; HDF5 keeps no NUL."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _remove_unfinished(folder: Place) -> None:
    """Remove a building folder so that a kill leaves all of it or nothing that looks like one."""
    with storage_errors(folder):
        if not isinstance(folder, Path):
            remove_tree(plan_path(folder))  # without its plan it cannot be resumed
            remove_tree(folder)
            return
        hidden = folder.with_name(f"{folder.name}.swept")
        remove_tree(hidden)
        if os.path.lexists(folder):
            folder.rename(hidden)
            remove_tree(hidden)
