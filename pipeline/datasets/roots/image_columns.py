"""Which columns of a table of rows hold pictures, and how: what the file's own features say, then types and names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

__all__ = ["USUAL_IMAGES", "features_in", "has_bytes", "image_columns", "is_binary", "is_text", "path_field"]

USUAL_IMAGES = ("image", "img", "img_bytes", "image_bytes", "picture", "face")

_KEY = b"huggingface"


def features_in(schema: pa.Schema) -> dict[str, Mapping[str, Any]]:
    """Column -> its feature, as the `datasets` package writes it into the schema's metadata; empty without any."""
    try:
        described = json.loads((schema.metadata or {}).get(_KEY, b"{}"))
    except (ValueError, RecursionError):
        return {}
    info = described.get("info") if isinstance(described, dict) else None
    features = info.get("features") if isinstance(info, dict) else None
    if not isinstance(features, dict):
        return {}
    return {name: feature for name, feature in features.items() if isinstance(feature, dict)}


def image_columns(schema: pa.Schema) -> list[str]:
    """The columns that hold pictures; of several, all that are equally likely, in the order of the file.

    Columns of the feature Image are sure, then structs of `bytes` and `path`, then usual names of binary or text
    columns.
    """
    features = features_in(schema)
    names = [name for name in schema.names if schema.names.count(name) == 1]
    declared = [name for name in names if features.get(name, {}).get("_type") == "Image"]
    structs = [name for name in names if _is_image_struct(schema.field(name).type)]
    usual = [name for name in names if name.casefold() in USUAL_IMAGES and _may_be_image(schema.field(name).type)]
    return declared or structs or usual


def has_bytes(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold the bytes of pictures."""
    return is_binary(kind) or _is_image_struct(kind)


def path_field(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold paths of pictures."""
    return is_text(kind) or (pa.types.is_struct(kind) and kind.get_field_index("path") >= 0)


def is_binary(kind: pa.DataType) -> bool:
    """Whether values are bytes of any length."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether values are texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_image_struct(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 and is_binary(kind.field("bytes").type)


def _may_be_image(kind: pa.DataType) -> bool:
    return is_binary(kind) or is_text(kind)
