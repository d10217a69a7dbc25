"""What a writer stores in its building folder: the plan before its first shard, and a record of each finished shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from cache.atomic import write_bytes
from cache.errors import SchemaError, StoreDamagedError
from cache.fields import Fields, parsed_json
from cache.keys import StoreKey, canonical_json, sha256_of
from cache.places import AnyPath, files_below, is_file, network_errors, read_all, read_limited
from cache.schema import Schema
from cache.shard_records import ShardRecord

__all__ = ["Plan", "RecordFiles", "WriterCommand", "plan_path", "read_plan"]

_VERSION = 1
_MAX_BYTES = 2**20
_MAX_RECORD_BYTES = 2**20  # of one shard

WriterCommand = Literal["extract", "convert"]


@dataclass(frozen=True)
class Plan:
    """The store that grows: its key and schema, and which command writes it, for advice on how to resume.

    Plans of earlier versions also hold a command line. It is not read: a folder from elsewhere may hold any text.
    """

    key: str
    schema: Schema
    command: WriterCommand = "extract"

    @classmethod
    def of(cls, key: StoreKey, schema: Schema, command: WriterCommand = "extract") -> Plan:
        return cls(key.digest, schema, command)

    def is_of(self, key: StoreKey, schema: Schema) -> bool:
        """Whether the shards of this plan are shards of a store with this key and schema."""
        return (self.key, self.schema) == (key.digest, schema)

    def require_readable(self) -> None:
        """SchemaError if no reader would open the store that the plan describes: before hours of work, not after."""
        Schema.from_json(Fields.of("the store to be written", {"schema": self.schema.as_json()}).mapping("schema"))

    def to_bytes(self) -> bytes:
        fields = {"version": _VERSION, "key": self.key, "schema": self.schema.as_json(), "made_by": self.command}
        return canonical_json(fields).encode()

    @classmethod
    def from_json(cls, document: str, values: Any) -> Plan:
        """What `to_bytes` wrote; SchemaError names the field that is missing or impossible."""
        fields = Fields.of(document, values)
        fields.integer("version", _VERSION, _VERSION)
        command = values.get("made_by", "extract")
        if command not in get_args(WriterCommand):
            raise fields.wrong("made_by", f"one of {', '.join(get_args(WriterCommand))}")
        return cls(fields.digest("key"), Schema.from_json(fields.mapping("schema")), command)


def plan_path(folder: AnyPath) -> AnyPath:
    """Where the plan of a building folder is."""
    return folder / "plan.json"


def read_plan(folder: AnyPath) -> Plan | None:
    """The plan of an unfinished store; None if there is none, or one that cannot be resumed: corrupted, or of no store.

    A writer starts such a store again from its first shard.
    """
    path = plan_path(folder)
    with network_errors(path):
        if not is_file(path):
            return None
        try:
            return Plan.from_json(str(path), parsed_json(read_limited(path, _MAX_BYTES)))
        except (FileNotFoundError, ValueError, SchemaError, StoreDamagedError):  # not found: removed since
            return None


class RecordFiles:
    """The records of an unfinished store: one file for each finished shard, complete or absent.

    Each worker of a cluster writes its own files; none appends to another's.
    """

    def __init__(self, folder: AnyPath, schema: Schema) -> None:
        self._folder, self._schema = folder / "records", schema

    def read(self) -> dict[int, ShardRecord]:
        """The finished shards. A corrupted record is left out: its shard is encoded again."""
        with network_errors(self._folder):
            texts = read_all([file for file in files_below(self._folder) if file.suffix == ".json"], _MAX_RECORD_BYTES)
        records = [record for text in texts if (record := self._parsed(text))]
        return {record.shard: record for record in records}

    def get(self, shard: int) -> ShardRecord | None:
        """The record of one shard; None if it is not finished, or its record is corrupted."""
        path = self._path(shard)
        with network_errors(path):
            if not is_file(path):
                return None
            [text] = read_all([path], _MAX_RECORD_BYTES)
        record = self._parsed(text)
        return record if record and record.shard == shard else None

    def add(self, record: ShardRecord) -> None:
        """Durable when the call returns."""
        text = canonical_json({**record.as_json(), "digest": sha256_of(record.as_json())})
        write_bytes(self._path(record.shard), text.encode())

    def _path(self, shard: int) -> AnyPath:
        return self._folder / f"{shard:06d}.json"

    def _parsed(self, text: bytes | None) -> ShardRecord | None:
        if text is None:
            return None
        try:
            values = parsed_json(text)
            is_unchanged = values.pop("digest") == sha256_of(values)
            return ShardRecord.from_json(Fields.of(str(self._folder), values), self._schema) if is_unchanged else None
        except (ValueError, KeyError, TypeError, AttributeError, SchemaError):
            return None
