"""Columns of Arrow tables, which parquet files are read as, too."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.datasets.roots.columns import Column, features_in

__all__ = ["columns_of", "features_of", "image_bytes"]

_KEY = b"huggingface"


def columns_of(schema: pa.Schema) -> list[Column]:
    """The columns of a schema, in its order."""
    return [_column(field.name, field.type) for field in schema]


def features_of(schema: pa.Schema) -> dict[str, Any]:
    """The features in the metadata of a schema."""
    return features_in((schema.metadata or {}).get(_KEY, b"{}"))


def image_bytes(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """The bytes in a column of pictures; null where there are none."""
    return column if _is_binary(column.type) else pc.struct_field(column, "bytes")


def _column(name: str, kind: pa.DataType) -> Column:
    is_struct = pa.types.is_struct(kind)
    has_path = is_struct and kind.get_field_index("path") >= 0
    if is_struct and kind.get_field_index("bytes") >= 0 and _is_binary(kind.field("bytes").type):
        return Column(name, "picture", has_path, str(kind))
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if _is_binary(kind):
        return Column(name, "bytes", False, str(kind))
    if pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value):
        return Column(name, "text", False, str(kind))
    if pa.types.is_integer(value):
        return Column(name, "integer", False, str(kind))
    return Column(name, "number" if pa.types.is_floating(value) else "other", has_path, str(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))
