"""The one write path of a store.

A store grows in a hidden folder beside its final place: a plan (key and schema), a journal of finished shards, and
the blocks. A shard counts when its blocks are durable and the journal names it. The finished store is renamed into
place as a whole, so readers see the old store, none, or the new one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cache.atomic import replace, storage_errors, write_bytes
from cache.backends import Columns, backend_of
from cache.errors import StoreIncompleteError
from cache.keys import StoreKey, canonical_json, sha256_of
from cache.manifest import SCHEMA_VERSION, Journal, Manifest, ShardRecord, checksum, rejected_rows
from cache.schema import Schema, plan_shards

if TYPE_CHECKING:
    from cache.store import Store

__all__ = ["StoreWriter", "Unfinished", "building_folder", "column_digests", "unfinished"]


def building_folder(target: Path) -> Path:
    """Where the store that will stand at `target` grows."""
    return target.with_name(f".{target.name}.building")


@dataclass(frozen=True)
class Unfinished:
    """A store whose writer was stopped: `progress` is "41 of 60 shards", `command` what goes on with it, if known."""

    progress: str
    command: str


def unfinished(target: Path) -> Unfinished | None:
    """What a stopped writer of `target` left, or None."""
    folder = building_folder(target)
    plan = _read_plan(folder)
    if plan is None:
        return None
    done, wanted = len(Journal(folder / "journal.jsonl").read()), Schema.from_json(plan["schema"]).n_shards
    return Unfinished(f"{done} of {wanted} shards", plan["command"])


def column_digests(columns: Columns) -> dict[str, str]:
    """Column name -> digest of its values: of the strings, or of the numbers' dtype and bytes."""
    return {name: _column_digest(values) for name, values in columns.items()}


def _column_digest(values: npt.NDArray[Any]) -> str:
    if values.dtype == object:
        return sha256_of(values.tolist())
    return hashlib.sha256(values.dtype.str.encode() + np.ascontiguousarray(values).tobytes()).hexdigest()


class StoreWriter:
    """Writes one store. Hold `cache.lock.exclusive` on it meanwhile.

    Parameters
    ----------
    target : where the finished store will stand; its ending chooses the backend
    key : what the features are; shards of a stopped writer with the same key and schema are kept, others are swept
    schema : arrays and shards
    command : what a person can run to go on with this store if the writer is stopped
    """

    def __init__(self, target: Path, key: StoreKey, schema: Schema, command: str = "") -> None:
        self.target, self.key = target, key
        self._backend = backend_of(target)
        self._folder = building_folder(target)
        self._journal = Journal(self._folder / "journal.jsonl")
        plan = {"version": SCHEMA_VERSION, "key": key.digest, "schema": schema.as_json()}
        if not (_same_work(_read_plan(self._folder), plan) and self._backend.holds_blocks(self._folder)):
            self._start({**plan, "command": command}, schema)
        self.schema = schema
        self._done = self._journal.read()

    def _start(self, plan: Mapping[str, Any], schema: Schema) -> None:
        _sweep(self._folder)
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True)
        self._backend.create(self._folder, schema)
        write_bytes(self._folder / "plan.json", canonical_json(plan).encode())

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
        for array in self.schema.arrays:
            block = blocks[array.name]
            expected = (self.schema.n_views, len(self.schema.rows(shard)), *array.row_shape)
            if block.shape != expected or block.dtype != np.dtype(array.dtype):
                raise ValueError(
                    f"block {array.name}: expected {array.dtype}{expected}, got {block.dtype}{block.shape}"
                )
            self._backend.write_block(self._folder, self.schema, array.name, shard, block)
        checksums = {name: tuple(checksum(view) for view in block) for name, block in blocks.items()}
        record = ShardRecord(shard, checksums, dict(rejected))
        self._journal.append(record)
        self._done[shard] = record

    def copy(self, shard: int, store: Store) -> None:
        """Keep a shard of a finished store with the same key: its features are reused, checked as they are read."""
        views = range(self.schema.n_views)
        blocks = {
            array.name: np.stack([store.read_shard(shard, array.name, view) for view in views])
            for array in self.schema.arrays
        }
        self.put(shard, blocks, store.manifest.shards[shard].rejected)

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
            If the disk refuses; all shards stay, and the old store where there was one.
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
        whole = self._backend.assemble(self._folder, self.schema, columns, manifest.to_text())
        replace(whole, self.target)
        _sweep(self._folder)


def _check_columns(columns: Columns, n_rows: int) -> None:
    for name, values in columns.items():
        if values.shape != (n_rows,):
            raise ValueError(f"column {name}: expected one value for each of {n_rows} rows, got {values.shape}")
        is_text = values.dtype == object and all(isinstance(value, str) for value in values)
        if not is_text and values.dtype.kind not in "biuf":
            raise ValueError(f"column {name}: expected numbers, or strings only in an object array")


def _sweep(folder: Path) -> None:
    """Remove a building folder so that a kill leaves all of it or nothing that looks like one."""
    swept = folder.with_name(f"{folder.name}.swept")
    shutil.rmtree(swept, ignore_errors=True)
    if folder.exists():
        with storage_errors(folder):
            folder.rename(swept)
        shutil.rmtree(swept, ignore_errors=True)


def _read_plan(folder: Path) -> dict[str, Any] | None:
    path = folder / "plan.json"
    return dict(json.loads(path.read_bytes())) if path.is_file() else None


def _same_work(found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    return found is not None and all(found.get(name) == wanted[name] for name in wanted)
