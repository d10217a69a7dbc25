"""Columns of a copy: which hold the pictures and the labels, and the labels' names, from the file's own features."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.datasets.roots.columns import Column, Features, image_columns
from pipeline.datasets.roots.files import Root, some
from pipeline.datasets.roots.row_shards import RowShard
from pipeline.errors import DatasetError

__all__ = ["Columns", "columns_of", "image_paths", "label_texts", "recorded_features", "subject_texts"]

USUAL_LABELS = ("label", "labels", "emotion", "emotions", "expression", "expressions")
INFO = "dataset_info.json"


@dataclass(frozen=True)
class Columns:
    """The columns of a shard that are read.

    Parameters
    ----------
    image, label : of pictures and of labels
    names : of the labels' integers, in their order; None if the file has none
    """

    image: Column
    label: Column
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
    where, names = shard.extent.where, [column.name for column in shard.columns]
    features = {**recorded, **shard.features}
    images = image_columns(shard.columns, features)
    of_images = _column(shard, "image", image or _only(images, "image", names, where))
    of_labels = _column(shard, "label", label or _only(_label_columns(names, features), "label", names, where))
    return Columns(of_images, of_labels, _names(shard, recorded, of_labels.name))


def label_texts(shard: RowShard, columns: Columns) -> list[str]:
    """The label of each row as a text: its name where there are names, else as it is; empty where there is none.

    Raises
    ------
    DatasetError
        If labels are neither texts nor numbers.
    """
    label = columns.label
    if label.kind not in ("text", "integer", "number"):
        raise DatasetError(
            f"{shard.extent.where}: column {label.name!r}: expected one label in a row, a text or a number, found "
            f"{label.type}. Name the column of labels by the option label=NAME, or save the dataset again with one"
        )
    return [_text(value, columns.names) for value in shard.values(label.name)]


def image_paths(shard: RowShard, column: Column) -> list[str | None]:
    """The path in each row of a column of images; None where there is none."""
    if not column.holds_paths:
        return [None] * shard.n_rows
    return shard.values(column.name, "path" if column.has_path else "")


def subject_texts(shard: RowShard, column: str) -> list[str | None]:
    """The person in each row; None where there is none, and everywhere if there is no `column`.

    Raises
    ------
    DatasetError
        If the shard has no such column, or it holds neither texts nor whole numbers.
    """
    if not column:
        return [None] * shard.n_rows
    found = _column(shard, "subject", column)
    if found.kind not in ("text", "integer"):
        raise DatasetError(
            f"{shard.extent.where}: column {column!r}: expected texts or whole numbers (option subject), found "
            f"{found.type}"
        )
    return [None if value is None else str(value) for value in shard.values(column)]


def _column(shard: RowShard, option: str, name: str) -> Column:
    column = shard.find(name)
    names = [column.name for column in shard.columns]
    if column is None:
        raise DatasetError(
            f"{shard.extent.where}: expected one column {name!r} (option {option}), found columns {some(names, 20)}"
        )
    if option == "image" and not (column.holds_bytes or column.holds_paths):
        raise DatasetError(
            f"{shard.extent.where}: column {name!r}: expected images as bytes, as paths, or as a struct of both, found "
            f"{column.type}. Name the column of images by the option image=NAME"
        )
    return column


def _text(value: Any, names: Sequence[str] | None) -> str:
    if value is None or value == -1 or value != value:  # -1 is how `datasets` writes that there is no label
        return ""
    if names is None or isinstance(value, str) or not float(value).is_integer():
        return str(value).strip()
    number = int(value)
    return names[number] if 0 <= number < len(names) else f"number {number} of {len(names)} names"


def _label_columns(names: Sequence[str], features: Features) -> list[str]:
    declared = [name for name in names if features.get(name, {}).get("_type") == "ClassLabel"]
    usual = [name for name in names if name.casefold() in USUAL_LABELS]
    return [name for name in declared if name in usual] or declared or usual


def _only(candidates: Sequence[str], what: str, names: Sequence[str], where: str) -> str:
    if len(candidates) == 1:
        return candidates[0]
    found = f"{len(candidates)}: {some(candidates, 9)}" if candidates else f"none among {some(names, 20)}"
    raise DatasetError(f"{where}: expected one column of {what}s, found {found}. Name it by the option {what}=NAME")


def _names(shard: RowShard, recorded: Features, label: str) -> tuple[str, ...] | None:
    of_file, beside = (_class_names(features.get(label, {})) for features in (shard.features, recorded))
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
