"""What a store says of itself when it is finished, and what a writer notes while it is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from cache.atomic import write_bytes
from cache.errors import MEND, NewerSchemaError, SchemaError, StoreDamagedError
from cache.keys import canonical_json, sha256_of
from cache.places import Place, files_below, is_file, reachable, read_all
from cache.schema import Schema

__all__ = ["SCHEMA_VERSION", "Manifest", "Records", "ShardRecord", "checksum", "rejected_rows"]

SCHEMA_VERSION = 1


def checksum(values: npt.NDArray[Any]) -> int:
    """CRC32C of the bytes in C order: what every read of a block is checked against."""
    return int(google_crc32c.value(_bytes(values)))


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
    def from_json(cls, data: Mapping[str, Any]) -> ShardRecord:
        rejected = {int(row): reason for row, reason in data["rejected"].items()}
        checksums = {name: tuple(values) for name, values in data["crc32c"].items()}
        return cls(data["shard"], checksums, dict(data["sha256"]), rejected)


def rejected_rows(shards: Iterable[ShardRecord]) -> dict[int, str]:
    """Row -> reason, over some shards."""
    return {row: reason for record in shards for row, reason in record.rejected.items()}


@dataclass(frozen=True)
class Manifest:
    """Everything about a finished store except its arrays and columns. Equal work gives equal manifests.

    `columns` maps each column to the digest of its values; `dataset` says what they describe (name, classes).
    `provenance` holds what made the features (versions, device, precision), never how long it took: two stores of
    the same features are the same bytes.
    """

    key: str
    key_fields: Mapping[str, Any]
    schema: Schema
    shards: tuple[ShardRecord, ...]
    columns: Mapping[str, str]
    dataset: Mapping[str, Any]
    provenance: Mapping[str, Any]

    @property
    def rejected(self) -> dict[int, str]:
        """Row -> why its image could not be used, as found while encoding."""
        return rejected_rows(self.shards)

    @property
    def arrays(self) -> dict[str, str]:
        """Output -> sha256 over the shards' own sha256: equal for two stores exactly if their arrays are."""
        names = [array.name for array in self.schema.arrays]
        return {name: sha256_of([record.sha256[name] for record in self.shards]) for name in names}

    def to_text(self) -> str:
        said = {
            "fer_stage_store": SCHEMA_VERSION,
            "complete": True,
            "key": self.key,
            "key_fields": self.key_fields,
            "schema": self.schema.as_json(),
            "arrays": self.arrays,
            "shards": [record.as_json() for record in self.shards],
            "columns": self.columns,
            "dataset": self.dataset,
            "provenance": self.provenance,
        }
        return canonical_json({**said, "digest": sha256_of(said)})

    @classmethod
    def from_text(cls, text: str, where: str) -> Manifest:
        """Parse what `to_text` wrote.

        Raises
        ------
        SchemaError
            If it is not a manifest, or of a newer schema than this program reads.
        StoreDamagedError
            If it is not what was written.
        """
        try:
            data = json.loads(text)
            version = data["fer_stage_store"]
            newer = version > SCHEMA_VERSION
        except (ValueError, KeyError, TypeError) as error:
            raise SchemaError(f"{where} is not a fer-stage store: its manifest cannot be read") from error
        if newer:
            raise NewerSchemaError(
                f"{where} has schema {version}, this program reads up to {SCHEMA_VERSION}: update fer-stage"
            )
        if data.pop("digest", None) != sha256_of(data):
            raise StoreDamagedError(f"{where}: its manifest is not what was written. {MEND}")
        try:
            return cls(
                data["key"],
                data["key_fields"],
                Schema.from_json(data["schema"]),
                tuple(ShardRecord.from_json(record) for record in data["shards"]),
                data["columns"],
                data["dataset"],
                data["provenance"],
            )
        except KeyError as error:  # whole, but of a program between two releases
            raise SchemaError(
                f"{where}: expected {error} in its manifest, found none. Delete it and extract again"
            ) from error


class Records:
    """What a writer notes while its store grows: one file for each finished shard, whole or absent.

    Each worker of a cluster writes its own; nobody appends to a file of somebody else.
    """

    def __init__(self, folder: Place) -> None:
        self._folder = folder / "records"

    def read(self) -> dict[int, ShardRecord]:
        """The finished shards. A record that a disk spoiled is left out: its shard is made again."""
        with reachable(self._folder):
            found = read_all([file for file in files_below(self._folder) if file.suffix == ".json"])
        records = [record for data in found if (record := _parsed(data))]
        return {record.shard: record for record in records}

    def get(self, shard: int) -> ShardRecord | None:
        """The record of one shard; None if it is not finished, or a disk spoiled its record."""
        path = self._path(shard)
        with reachable(path):
            return _parsed(path.read_bytes()) if is_file(path) else None

    def add(self, record: ShardRecord) -> None:
        """Durable when the call returns."""
        text = canonical_json({**record.as_json(), "digest": sha256_of(record.as_json())})
        write_bytes(self._path(record.shard), text.encode())

    def _path(self, shard: int) -> Place:
        return self._folder / f"{shard:06d}.json"


def _parsed(data: bytes) -> ShardRecord | None:
    try:
        said = json.loads(data)
        return ShardRecord.from_json(said) if said.pop("digest") == sha256_of(said) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
