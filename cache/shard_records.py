"""The record of a finished shard: checksums of its blocks, and which rows have no feature."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from cache.fields import Fields
from cache.schema import Schema

__all__ = ["ShardRecord", "checksum", "extended_checksum", "rejected_rows"]


def checksum(values: npt.NDArray[Any]) -> int:
    """CRC32C of the bytes in C order: what every read of a block is checked against."""
    return int(google_crc32c.value(_bytes(values)))


def extended_checksum(crc: int, values: npt.NDArray[Any]) -> int:
    """CRC32C of bytes whose own is `crc` (of none: 0) followed by those of `values`."""
    return int(google_crc32c.extend(crc, _bytes(values)))


def _bytes(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)


@dataclass(frozen=True)
class ShardRecord:
    """One finished shard.

    Parameters
    ----------
    shard : its number
    checksums : output -> CRC32C of each view's rows
    sha256 : output -> hex digest of the whole block, (V, rows, *row_shape) in C order
    rejected : row of the store -> why its image could not be used
    """

    shard: int
    checksums: Mapping[str, tuple[int, ...]]
    sha256: Mapping[str, str]
    rejected: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, shard: int, blocks: Mapping[str, npt.NDArray[Any]], rejected: Mapping[int, str]) -> ShardRecord:
        """The record of these blocks."""
        checksums = {name: tuple(checksum(view) for view in block) for name, block in blocks.items()}
        digests = {name: hashlib.sha256(_bytes(block).data).hexdigest() for name, block in blocks.items()}
        return cls(shard, checksums, digests, dict(rejected))

    def as_json(self) -> dict[str, Any]:
        rejected = {str(row): reason for row, reason in sorted(self.rejected.items())}
        checksums = {name: list(values) for name, values in self.checksums.items()}
        return {"shard": self.shard, "crc32c": checksums, "sha256": dict(self.sha256), "rejected": rejected}

    @classmethod
    def from_json(cls, fields: Fields, schema: Schema) -> ShardRecord:
        """What `as_json` wrote of a shard of a store with this schema; SchemaError names the field that is wrong."""
        shard = fields.integer("shard", 0, schema.n_shards - 1)
        checksums, digests = fields.mapping("crc32c"), fields.mapping("sha256")
        names = [array.name for array in schema.arrays]
        for values, what in ((checksums, "crc32c"), (digests, "sha256")):
            if set(values.values) != set(names):
                raise fields.wrong(what, f"checksums of {', '.join(names)} and of no other output")
        return cls(
            shard,
            {name: checksums.integers(name, 0, 2**32 - 1, schema.n_views) for name in checksums.values},
            {name: digests.digest(name) for name in digests.values},
            _rejected(fields.mapping("rejected"), schema.rows(shard)),
        )


def _rejected(fields: Fields, rows: range) -> dict[int, str]:
    """Row -> reason."""
    for name in fields.values:
        if not (name.isascii() and name.isdigit() and len(name) < 12 and int(name) in rows and name == str(int(name))):
            raise fields.wrong(name, f"reasons of rows {rows.start} to {rows.stop - 1} only")
    return {int(name): fields.text(name) for name in fields.values}


def rejected_rows(shards: Iterable[ShardRecord]) -> dict[int, str]:
    """Row -> reason, over some shards."""
    return {row: reason for record in shards for row, reason in record.rejected.items()}
