"""Records of finished shards, while a store grows."""

from __future__ import annotations

from cache.errors import SchemaError
from cache.fields import Fields, parsed_json
from cache.keys import canonical_json, sha256_of
from cache.manifest import ShardRecord
from cache.places import Place, files_below, is_file, reachable, read_all
from cache.places.atomic import write_bytes
from cache.schema import Schema
from cache.writing.plan import read_plan

__all__ = ["Records"]

_MAX_BYTES = 2**20  # of one shard


class Records:
    """What a writer notes while its store grows: one file for each finished shard, whole or absent.

    Each worker of a cluster writes its own; nobody appends to a file of somebody else.
    """

    def __init__(self, folder: Place, schema: Schema | None = None) -> None:
        """`schema` is that of the plan in `folder` by default; without one no record means anything."""
        self._folder = folder / "records"
        plan = None if schema else read_plan(folder)
        self._schema = plan.schema if plan else schema

    def read(self) -> dict[int, ShardRecord]:
        """The finished shards. A record that a disk spoiled is left out: its shard is made again."""
        with reachable(self._folder):
            texts = read_all([file for file in files_below(self._folder) if file.suffix == ".json"], _MAX_BYTES)
        records = [record for text in texts if (record := self._parsed(text))]
        return {record.shard: record for record in records}

    def get(self, shard: int) -> ShardRecord | None:
        """The record of one shard; None if it is not finished, or a disk spoiled its record."""
        path = self._path(shard)
        with reachable(path):
            if not is_file(path):
                return None
            [text] = read_all([path], _MAX_BYTES)
        record = self._parsed(text)
        return record if record and record.shard == shard else None

    def add(self, record: ShardRecord) -> None:
        """Durable when the call returns."""
        text = canonical_json({**record.as_json(), "digest": sha256_of(record.as_json())})
        write_bytes(self._path(record.shard), text.encode())

    def _path(self, shard: int) -> Place:
        return self._folder / f"{shard:06d}.json"

    def _parsed(self, text: bytes | None) -> ShardRecord | None:
        if text is None or self._schema is None:
            return None
        try:
            values = parsed_json(text)
            whole = values.pop("digest") == sha256_of(values)
            return ShardRecord.from_json(Fields.of(str(self._folder), values), self._schema) if whole else None
        except (ValueError, KeyError, TypeError, AttributeError, SchemaError):
            return None
