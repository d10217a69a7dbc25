"""Where the shards of a growing store are put: their blocks first, then the record that says that they are finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.backends import backend_of
from cache.errors import StoreDamagedError
from cache.places import AnyPath
from cache.schema import Schema
from cache.shard_records import ShardRecord
from cache.writing.plan import RecordFiles
from cache.writing.unfinished import building_folder

__all__ = ["ShardSink", "require_recorded"]


@dataclass(frozen=True)
class ShardSink:
    """Where the shards of one growing store go. May be pickled: every worker of a cluster has its own."""

    target: AnyPath
    schema: Schema

    def put(self, shard: int, blocks: Mapping[str, npt.NDArray[Any]], rejected: Mapping[int, str]) -> ShardRecord:
        """Store one complete shard; it is finished when the call returns. See `StoreWriter.put`."""
        folder, backend = building_folder(self.target), backend_of(self.target)
        checked = {array.name: self._checked(shard, array.name, blocks[array.name]) for array in self.schema.arrays}
        for name, block in checked.items():
            backend.write_block(folder, self.schema, name, shard, block)
        record = ShardRecord.of(shard, checked, rejected)
        RecordFiles(folder, self.schema).add(record)
        return record

    def get(self, shard: int) -> tuple[dict[str, npt.NDArray[Any]], Mapping[int, str]]:
        """The blocks of a finished shard, checked against its record, and row -> why its image could not be used.

        Raises
        ------
        StoreDamagedError
            If the shard is not finished, or the disk does not hold what was put.
        """
        folder, backend = building_folder(self.target), backend_of(self.target)
        record = RecordFiles(folder, self.schema).get(shard)
        if record is None:
            raise StoreDamagedError(f"{folder}: shard {shard} has no record. Extract again: it resumes")
        names = [array.name for array in self.schema.arrays]
        blocks = {name: backend.read_block(folder, self.schema, name, shard) for name in names}
        require_recorded(blocks, record, folder)
        return blocks, record.rejected

    def _checked(self, shard: int, name: str, block: npt.NDArray[Any]) -> npt.NDArray[Any]:
        array = self.schema.array(name)
        expected = (self.schema.n_views, len(self.schema.rows(shard)), *array.row_shape)
        if block.shape != expected or block.dtype != np.dtype(array.dtype):
            raise ValueError(f"block {name}: expected {array.dtype}{expected}, got {block.dtype}{block.shape}")
        return block


def require_recorded(blocks: Mapping[str, npt.NDArray[Any]], record: ShardRecord, folder: AnyPath) -> None:
    """StoreDamagedError if blocks, output -> (V, rows, *row_shape), are not those that the record was made of."""
    digests = ShardRecord.of(record.shard, blocks, {}).sha256
    for output in blocks:
        if digests[output] != record.sha256[output]:
            raise StoreDamagedError(
                f"{folder}: shard {record.shard} of {output} is not what was written. Delete the folder, extract again"
            )
