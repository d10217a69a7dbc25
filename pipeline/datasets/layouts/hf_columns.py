"""Columns of a copy: which hold the pictures and the labels, and the labels' names, from the file's own features."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.datasets.roots.files import Root, some
from pipeline.datasets.roots.image_columns import features_in, has_bytes, image_columns, is_text, path_field
from pipeline.datasets.roots.row_shards import RowShard
from pipeline.errors import DatasetError

__all__ = ["Columns", "columns_of", "image_paths", "label_texts", "recorded_features", "subject_texts"]

USUAL_LABELS = ("label", "labels", "emotion", "emotions", "expression", "expressions")
INFO = "dataset_info.json"

Features = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Columns:
    """The columns of a shard that are read.

    Parameters
    ----------
    image, label : names
    names : of the labels' integers, in their order; None if the file has none
    """

    image: str
    label: str
    names: tuple[str, ...] | None


def recorded_features(root: Root, folder: str) -> Features:
    """The features in the nearest `dataset_info.json` of a folder or those above it; empty if there is none.

    Raises
    ------
    DatasetError
        If it is damaged.
    """
    while not root.exists(folder + INFO):
        if not folder:
            return {}
        folder = folder[: folder[:-1].rfind("/") + 1]
    try:
        features = json.loads(root.text(folder + INFO)).get("features") or {}
        return {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    except (ValueError, AttributeError, RecursionError) as error:
        raise DatasetError(f"{root.path}: {folder}{INFO} is damaged ({error}). Download it again") from error


def columns_of(shard: RowShard, recorded: Features, image: str, label: str) -> Columns:
    """The columns to read of a shard.

    Parameters
    ----------
    recorded : features beside the shard; its own ones count first
    image, label : names that the user gave; empty to find them

    Raises
    ------
    DatasetError
        If there is none, or more than one that it may be; all are named.
    """
    schema, where = shard.schema, shard.extent.where
    features = {**recorded, **features_in(schema)}
    image = image or _only(image_columns(schema), "image", schema, where)
    label = label or _only(_label_columns(schema, features), "label", schema, where)
    for option, name in (("image", image), ("label", label)):
        if schema.names.count(name) != 1:
            raise DatasetError(
                f"{where}: expected one column {name!r} (option {option}), found columns {some(schema.names, 20)}"
            )
    kind = schema.field(image).type
    if not has_bytes(kind) and not path_field(kind):
        raise DatasetError(
            f"{where}: column {image!r}: expected images as bytes, as paths, or as a struct of both, found {kind}. "
            "Name the column of images by the option image=NAME"
        )
    return Columns(image, label, _names(shard, features_in(schema), recorded, label))


def label_texts(shard: RowShard, columns: Columns) -> list[str]:
    """The label of each row as a text: its name where there are names, else as it is; empty where there is none.

    Raises
    ------
    DatasetError
        If labels are neither texts nor numbers.
    """
    kind = shard.schema.field(columns.label).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise DatasetError(
            f"{shard.extent.where}: column {columns.label!r}: expected one label in a row, a text or a number, found "
            f"{kind}. Name the column of labels by the option label=NAME, or save the dataset again with one"
        )
    return [_text(value, columns.names) for value in shard.values(columns.label).to_pylist()]


def image_paths(shard: RowShard, column: str) -> list[str | None]:
    """The path in each row of a column of images; None where there is none."""
    kind = shard.schema.field(column).type
    if not path_field(kind):
        return [None] * shard.n_rows
    paths: list[str | None] = shard.values(column, "path" if pa.types.is_struct(kind) else "").to_pylist()
    return paths


def subject_texts(shard: RowShard, column: str) -> list[str | None]:
    """The person in each row; None where there is none, and everywhere if there is no `column`.

    Raises
    ------
    DatasetError
        If the shard has no such column, or it holds neither texts nor whole numbers.
    """
    if not column:
        return [None] * shard.n_rows
    names = shard.schema.names
    kind = shard.schema.field(column).type if names.count(column) == 1 else None
    if kind is None or not (is_text(kind) or pa.types.is_integer(kind)):
        raise DatasetError(
            f"{shard.extent.where}: expected a column {column!r} of texts or whole numbers (option subject), found "
            f"{kind or some(names, 20)}"
        )
    return [None if value is None else str(value) for value in shard.values(column).to_pylist()]


def _text(value: Any, names: Sequence[str] | None) -> str:
    if value is None or value == -1 or value != value:  # -1 is how `datasets` writes that there is no label
        return ""
    if names is None or isinstance(value, str):
        return str(value).strip()
    number = int(value)
    return names[number] if 0 <= number < len(names) else f"number {number} of {len(names)} names"


def _label_columns(schema: pa.Schema, features: Features) -> list[str]:
    declared = [name for name in schema.names if features.get(name, {}).get("_type") == "ClassLabel"]
    usual = [name for name in schema.names if name.casefold() in USUAL_LABELS]
    return [name for name in declared if name in usual] or declared or usual


def _only(candidates: Sequence[str], what: str, schema: pa.Schema, where: str) -> str:
    if len(candidates) == 1:
        return candidates[0]
    found = f"{len(candidates)}: {some(candidates, 9)}" if candidates else f"none among {some(schema.names, 20)}"
    raise DatasetError(f"{where}: expected one column of {what}s, found {found}. Name it by the option {what}=NAME")


def _names(shard: RowShard, own: Features, recorded: Features, label: str) -> tuple[str, ...] | None:
    of_file, beside = (_class_names(features.get(label, {})) for features in (own, recorded))
    if of_file and beside and of_file != beside:
        raise DatasetError(
            f"{shard.extent.where}: its own label names are {', '.join(of_file)}, those of {INFO} beside it "
            f"{', '.join(beside)}. Remove {INFO} if the file is right, or download both again"
        )
    return of_file or beside


def _class_names(feature: Mapping[str, Any]) -> tuple[str, ...] | None:
    names = feature.get("names")
    if feature.get("_type") != "ClassLabel" or not isinstance(names, list) or not _texts(names):
        return None
    return tuple(names)


def _texts(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)
