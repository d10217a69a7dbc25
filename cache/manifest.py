"""The manifest of a finished store: its key, schema, checksums and what its columns describe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cache.errors import RESTORE, NewerSchemaError, SchemaError, StoreDamagedError
from cache.fields import Fields, parsed_json
from cache.keys import canonical_json, sha256_of
from cache.schema import NAME, Schema
from cache.shard_records import ShardRecord, rejected_rows

__all__ = ["MAX_MANIFEST_BYTES", "SCHEMA_VERSION", "Manifest"]

SCHEMA_VERSION = 1
REQUIRED_COLUMNS = ("id", "label", "split", "status")
MAX_MANIFEST_BYTES = 16 * 2**20  # 80 million rows without a rejected one, or 200,000 rejected rows with their reasons
# A plain name of a file, in any script: tables are looked up, and remedies built, by it. No control characters.
_DATASET_NAME = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]{1,200}")


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
        """Row -> why its image could not be used, as seen while encoding."""
        return rejected_rows(self.shards)

    @property
    def arrays(self) -> dict[str, str]:
        """Output -> sha256 over the shards' own sha256: equal for two stores exactly if their arrays are."""
        names = [array.name for array in self.schema.arrays]
        return {name: sha256_of([record.sha256[name] for record in self.shards]) for name in names}

    def to_text(self) -> str:
        fields = {
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
        return canonical_json({**fields, "digest": sha256_of(fields)})

    @classmethod
    def from_text(cls, text: str, where: str) -> Manifest:
        """Parse what `to_text` wrote. All fields that a reader uses are checked here, and only here.

        Raises
        ------
        SchemaError
            If it is not a manifest, of a newer schema than this program reads, or holds an impossible value: the error
            names its field.
        StoreDamagedError
            If it is not what was written.
        """
        fields = _checked_document(text, where)
        schema = Schema.from_json(fields.mapping("schema"))
        key_fields = _key_fields(fields.mapping("key_fields"), schema)
        if fields.text("key") != sha256_of(key_fields):
            raise fields.wrong("key", "the digest of key_fields")
        return cls(
            fields.text("key"),
            key_fields,
            schema,
            _shards(fields, schema),
            _columns(fields.mapping("columns")),
            _dataset(fields.mapping("dataset")),
            _provenance(fields.mapping("provenance"), schema),
        )


def _checked_document(text: str, where: str) -> Fields:
    """The whole document: of a version that we read, with the digest that it was written with."""
    try:
        values = parsed_json(text)
        version = values["fer_stage_store"]
        newer = version > SCHEMA_VERSION
    except (ValueError, KeyError, TypeError) as error:
        raise SchemaError(f"{where} is not a fer-stage store: its manifest cannot be read") from error
    if newer:
        raise NewerSchemaError(
            f"{where} has schema {version}, this program reads up to {SCHEMA_VERSION}: update fer-stage"
        )
    try:
        is_unchanged = values.pop("digest", None) == sha256_of(values)
    except (ValueError, RecursionError):
        is_unchanged = False  # a text that UTF-8 cannot write, or a number that is too large: we write neither
    if not is_unchanged:
        raise StoreDamagedError(f"{where}: its manifest is not what was written. {RESTORE}")
    fields = Fields.of(f"{where}: its manifest", values)
    fields.require_shallow()
    fields.integer("fer_stage_store", 1, SCHEMA_VERSION)
    if values.get("complete") is not True:
        raise fields.wrong("complete", "true")
    return fields


def _key_fields(fields: Fields, schema: Schema) -> Mapping[str, Any]:
    for name in ("samples", "precision", "dtype"):
        fields.text(name)
    for name in ("encoder", "preprocess"):
        fields.mapping(name)
    outputs = [name.partition(":")[0] for name in fields.texts("outputs")]  # `pixels:64`
    if set(outputs) != {array.name for array in schema.arrays}:
        raise fields.wrong("outputs", "the names of the schema's arrays")
    fields.integer("schema", 1, SCHEMA_VERSION)
    views = fields.mapping("views")
    if views.has("count") and views.values["count"] != schema.n_views:
        raise views.wrong("count", f"{schema.n_views}, as n_views of the schema")
    return fields.values


def _shards(fields: Fields, schema: Schema) -> tuple[ShardRecord, ...]:
    documents = fields.mappings("shards")
    if len(documents) != schema.n_shards:
        raise SchemaError(
            f"{fields.document}: expected {schema.n_shards} records in shards ({schema.n_rows} rows in shards of "
            f"{schema.shard_rows}), found {len(documents)}. {RESTORE}"
        )
    records = tuple(ShardRecord.from_json(record, schema) for record in documents)
    for number, record in enumerate(records):
        if record.shard != number:
            raise documents[number].wrong("shard", f"{number}: every shard once and in order")
    return records


def _columns(fields: Fields) -> Mapping[str, str]:
    for name in REQUIRED_COLUMNS:
        fields.digest(name)
    for name in fields.values:
        if not NAME.fullmatch(name):
            raise fields.wrong(name, "columns with plain names only")
        fields.digest(name)
    return fields.values


def _dataset(fields: Fields) -> Mapping[str, Any]:
    fields.text("name", _DATASET_NAME, "a plain name of a dataset")
    fields.texts("classes")
    for name in ("layout", "release"):
        if fields.has(name):
            fields.text(name)
    if fields.has("options"):
        fields.mapping("options")
    return fields.values


def _provenance(fields: Fields, schema: Schema) -> Mapping[str, Any]:
    """Fields that earlier versions did not write may be missing; those that are there have their types."""
    for name in ("encoder", "encoder_spec", "encoder_note"):
        if fields.has(name):
            fields.text(name)
    if fields.has("encoder_saw"):
        fields.texts("encoder_saw")
    if fields.values.get("parity") is not None:
        parity = fields.mapping("parity")
        for output in parity.values:
            measured = parity.mapping(output)
            measured.number("cosine")
            if measured.has("relative"):
                measured.number("relative")
    return fields.values
