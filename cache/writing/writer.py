"""The one write path of a store.

A store grows in a hidden folder next to its target: a plan (key and schema), a record of every finished shard,
and the blocks. A shard counts when its blocks are durable and its record says so. The finished store is moved
to its target as a whole, so readers see the old store, none, or the new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from cache.atomic import replace, write_bytes
from cache.backends import backend_of
from cache.backends.expected import text_limit
from cache.columns import Column, Columns, check_columns, column_digests, is_text, row_blocks
from cache.errors import StorageError, StoreIncompleteError
from cache.keys import StoreKey
from cache.manifest import MAX_MANIFEST_BYTES, Manifest
from cache.places import AnyPath
from cache.places.links import require_no_links
from cache.places.refusals import storage_errors
from cache.schema import Schema, plan_shards
from cache.shard_records import ShardRecord, rejected_rows
from cache.writing.plan import Plan, RecordFiles, WriterCommand, plan_path
from cache.writing.sink import ShardSink, require_recorded
from cache.writing.unfinished import building_folder, is_resumable, remove_unfinished

__all__ = ["StoreWriter"]


class StoreWriter:
    """Writes one store. Hold `cache.places.lock.exclusive` on it meanwhile.

    Parameters
    ----------
    target : where the finished store will be; its suffix chooses the backend
    key : what the features are; shards of a stopped writer with the same key and schema are used, others are removed
    schema : arrays and shards
    command : the command that writes it, for the advice of how to resume
    """

    def __init__(self, target: AnyPath, key: StoreKey, schema: Schema, command: WriterCommand = "extract") -> None:
        self.target, self.key = target, key
        self._backend = backend_of(target)
        self._folder = building_folder(target)
        require_no_links(self._folder)
        self._plan = Plan.of(key, schema, command)
        self.schema, self.sink = schema, ShardSink(target, schema)
        self._done: dict[int, ShardRecord] = {}
        if is_resumable(target, key, schema):
            self._done = RecordFiles(self._folder, schema).read()
        else:
            self._start()

    def _start(self) -> None:
        self._plan.require_readable()
        remove_unfinished(self._folder)
        with storage_errors(self._folder):
            if isinstance(self._folder, Path):  # an object store has no folders
                self._folder.mkdir(parents=True)
        self._backend.create(self._folder, self.schema)
        write_bytes(plan_path(self._folder), self._plan.to_bytes())

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
        """Store one complete shard.

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
        self.add_record(self.sink.put(shard, blocks, rejected))

    def add_record(self, record: ShardRecord) -> None:
        """A shard was finished: by `put`, or by a worker with a copy of `sink`."""
        self._done[record.shard] = record

    def restart(self) -> None:
        """Remove the finished shards of an earlier, stopped writer: a kill leaves none that the next one would use."""
        self._start()
        self._done.clear()

    def read_shard(self, shard: int, output: str = "pooled") -> npt.NDArray[Any]:
        """The block of a finished shard, shape (V, rows, *row_shape), checked against its record.

        Raises
        ------
        StoreDamagedError
            If the disk does not hold what was put.
        """
        block = self._backend.read_block(self._folder, self.schema, output, shard)
        require_recorded({output: block}, self._done[shard], self._folder)
        return block

    def finish(self, columns: Columns, dataset: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
        """Complete the store and move it to its target.

        Parameters
        ----------
        columns : name -> one value per row (object dtype for strings); they are read several times, block by block
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
        check_columns(columns, self.schema.n_rows)
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
        store = self._backend.assemble(self._folder, self.schema, by_name, text)
        replace(store, self.target)
        remove_unfinished(self._folder)


def _require_readable(manifest: str, columns: Columns, target: AnyPath) -> None:
    """Refuse to finish what readers refuse; the shards and the old store stay."""
    if (n_bytes := len(manifest.encode())) > MAX_MANIFEST_BYTES:
        raise StorageError(
            f"{target}: expected a manifest of at most {MAX_MANIFEST_BYTES} bytes, found {n_bytes}: too many rows are "
            "rejected. Repair the dataset, or index a part of it"
        )
    Manifest.from_text(manifest, str(target))
    for name, values in columns.items():
        n_bytes, limit = _text_bytes(values), text_limit(len(values))
        if n_bytes > limit:
            raise StorageError(
                f"{target}: expected at most {limit} bytes of text in column {name}, found {n_bytes}. Shorten its texts"
            )


def _text_bytes(column: Column) -> int:
    """Bytes of a column's texts, each with its length (4 bytes); 0 of numbers."""
    if not is_text(column):
        return 0
    return sum(len(text.encode()) + 4 for block in row_blocks(column) for text in block.tolist())
