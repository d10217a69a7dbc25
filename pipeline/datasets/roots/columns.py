"""Columns of a table of rows, as plain data, and which of them hold pictures. No PyArrow: it takes long to import."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Column", "Features", "features_in", "image_columns"]

Features = Mapping[str, Mapping[str, Any]]

USUAL_IMAGES = ("image", "img", "img_bytes", "image_bytes", "picture", "face")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : of the column
    kind : of its values; `picture` is a struct with `bytes`
    has_path : whether it is a struct with `path`
    type : as the file states it
    """

    name: str
    kind: Literal["picture", "bytes", "text", "integer", "number", "other"]
    has_path: bool
    type: str

    @property
    def holds_bytes(self) -> bool:
        """Whether it can hold the bytes of pictures."""
        return self.kind in ("picture", "bytes")

    @property
    def holds_paths(self) -> bool:
        """Whether it can hold paths of pictures."""
        return self.has_path or self.kind == "text"


def features_in(described: bytes) -> dict[str, Mapping[str, Any]]:
    """Column -> its feature, as the `datasets` package describes it; empty if there is no description."""
    try:
        content = json.loads(described)
    except (ValueError, RecursionError):
        return {}
    info = content.get("info") if isinstance(content, dict) else None
    features = info.get("features") if isinstance(info, dict) else None
    if not isinstance(features, dict):
        return {}
    return {name: feature for name, feature in features.items() if isinstance(feature, dict)}


def image_columns(columns: Sequence[Column], features: Features) -> list[str]:
    """The columns that hold pictures; of several, all that are equally likely, in the order of the file.

    Columns of the feature Image are sure, then structs of `bytes` and `path`, then usual names of binary or text
    columns.
    """
    names = [column.name for column in columns]
    single = [column for column in columns if names.count(column.name) == 1]
    declared = [column.name for column in single if features.get(column.name, {}).get("_type") == "Image"]
    structs = [column.name for column in single if column.kind == "picture"]
    usual = [c.name for c in single if c.name.casefold() in USUAL_IMAGES and c.kind in ("bytes", "text")]
    return declared or structs or usual
