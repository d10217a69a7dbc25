"""What a writer notes before its first shard: the plan of the store that grows in a building folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from cache.errors import SchemaError, StoreDamagedError
from cache.fields import Fields, parsed_json
from cache.keys import StoreKey, canonical_json
from cache.places import Place, is_file, reachable, read_limited
from cache.schema import Schema

__all__ = ["MadeBy", "Plan", "plan_path", "read_plan"]

_VERSION = 1
_MAX_BYTES = 2**20

MadeBy = Literal["extract", "convert"]


@dataclass(frozen=True)
class Plan:
    """The store that grows: its key and schema, and which command writes it, for advice on how to resume.

    Plans of earlier versions also hold a command line. It is not read: a folder from elsewhere may hold any text.
    """

    key: str
    schema: Schema
    made_by: MadeBy = "extract"

    @classmethod
    def of(cls, key: StoreKey, schema: Schema, made_by: MadeBy = "extract") -> Plan:
        return cls(key.digest, schema, made_by)

    def is_of(self, key: StoreKey, schema: Schema) -> bool:
        """Whether the shards of this plan are shards of a store with this key and schema."""
        return (self.key, self.schema) == (key.digest, schema)

    def require_readable(self) -> None:
        """SchemaError if no reader would open the store that the plan describes: before hours of work, not after."""
        Schema.from_json(Fields.of("the store to be written", {"schema": self.schema.as_json()}).mapping("schema"))

    def to_bytes(self) -> bytes:
        fields = {"version": _VERSION, "key": self.key, "schema": self.schema.as_json(), "made_by": self.made_by}
        return canonical_json(fields).encode()

    @classmethod
    def from_json(cls, document: str, values: Any) -> Plan:
        """What `to_bytes` wrote; SchemaError names the field that is missing or impossible."""
        fields = Fields.of(document, values)
        fields.integer("version", _VERSION, _VERSION)
        made_by = values.get("made_by", "extract")
        if made_by not in get_args(MadeBy):
            raise fields.wrong("made_by", f"one of {', '.join(get_args(MadeBy))}")
        return cls(fields.digest("key"), Schema.from_json(fields.mapping("schema")), made_by)


def plan_path(folder: Place) -> Place:
    """Where the plan of a building folder is."""
    return folder / "plan.json"


def read_plan(folder: Place) -> Plan | None:
    """The plan of a store that was begun; None if there is none, or one that cannot be resumed: spoiled or of no store.

    A writer begins such a store again from its first shard.
    """
    path = plan_path(folder)
    with reachable(path):
        if not is_file(path):
            return None
        try:
            return Plan.from_json(str(path), parsed_json(read_limited(path, _MAX_BYTES)))
        except (ValueError, SchemaError, StoreDamagedError):
            return None
