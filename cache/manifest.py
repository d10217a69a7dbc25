"""What a store says of itself when it is finished, and what a writer notes while it is not."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.atomic import storage_errors
from cache.errors import MEND, SchemaError, StoreDamagedError
from cache.keys import canonical_json, sha256_of
from cache.schema import Schema

__all__ = ["SCHEMA_VERSION", "Journal", "Manifest", "ShardRecord", "checksum", "rejected_rows"]

SCHEMA_VERSION = 1


def checksum(values: npt.NDArray[Any]) -> int:
    """CRC-32 of the bytes in C order."""
    return zlib.crc32(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)


@dataclass(frozen=True)
class ShardRecord:
    """One finished shard: checksums per output and view; the rows whose image could not be used, with the reason."""

    shard: int
    checksums: Mapping[str, tuple[int, ...]]
    rejected: Mapping[int, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        rejected = {str(row): reason for row, reason in sorted(self.rejected.items())}
        checksums = {name: list(values) for name, values in self.checksums.items()}
        return {"shard": self.shard, "checksums": checksums, "rejected": rejected}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ShardRecord:
        rejected = {int(row): reason for row, reason in data["rejected"].items()}
        checksums = {name: tuple(values) for name, values in data["checksums"].items()}
        return cls(data["shard"], checksums, rejected)


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

    def to_text(self) -> str:
        said = {
            "fer_stage_store": SCHEMA_VERSION,
            "complete": True,
            "key": self.key,
            "key_fields": self.key_fields,
            "schema": self.schema.as_json(),
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
            raise SchemaError(
                f"{where} has schema {version}, this program reads up to {SCHEMA_VERSION}: update fer-stage"
            )
        if data.pop("digest", None) != sha256_of(data):
            raise StoreDamagedError(f"{where}: its manifest is not what was written. {MEND}")
        return cls(
            data["key"],
            data["key_fields"],
            Schema.from_json(data["schema"]),
            tuple(ShardRecord.from_json(record) for record in data["shards"]),
            data["columns"],
            data["dataset"],
            data["provenance"],
        )


def _parsed(line: bytes) -> ShardRecord | None:
    try:
        return ShardRecord.from_json(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class Journal:
    """The list of finished shards of a store being written: one line each, durable before the next shard begins."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[int, ShardRecord]:
        """The finished shards. A line that a kill cut short or a disk spoiled is dropped: its shard is made again."""
        if not self._path.exists():
            return {}
        whole, _, _cut = self._path.read_bytes().rpartition(b"\n")
        records = [record for line in whole.splitlines() if (record := _parsed(line))]
        return {record.shard: record for record in records}

    def append(self, record: ShardRecord) -> None:
        with storage_errors(self._path):
            self._drop_cut_line()
            with self._path.open("ab") as file:
                file.write(canonical_json(record.as_json()).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())

    def _drop_cut_line(self) -> None:
        if self._path.exists() and (data := self._path.read_bytes()) and not data.endswith(b"\n"):
            os.truncate(self._path, data.rfind(b"\n") + 1)
