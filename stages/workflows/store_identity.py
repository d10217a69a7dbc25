"""From a sample table and an encoder to the key, the schema and the columns of a store."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from cache.columns import Column, TextColumn
from cache.keys import StoreKey, sha256_of_items
from cache.schema import MISSING_INTEGERS, ArraySpec, Schema
from pipeline.encoders import Encoder, EncoderSpec, ImageEncoder
from pipeline.extraction import Output
from pipeline.images.decode import DECODER, decoder_version
from pipeline.images.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from pipeline.images.views import ViewRecipe
from pipeline.tables.samples import REJECTED, SampleTable
from stages.errors import StageError
from stages.params import ExtractParams
from stages.workflows.image_rows import BLOCK_ROWS, ImageRows

__all__ = [
    "box_of",
    "box_texts",
    "changed_by_params",
    "columns_of",
    "dataset_info",
    "face_of",
    "face_texts",
    "image_rows_of",
    "prepared_as",
    "provenance_of",
    "row_fields",
    "schema_of",
    "store_key",
    "versions",
]

_LIBRARIES = ("fer-stage", "torch", "torchvision", "open_clip_torch", "timm", "numpy", "pillow", "zarr", "h5py")
_TEXT_COLUMNS = ("id", "path", "label", "split", "status", "reason", "sha256", "subject", "clip", "scene")


def prepared_as(encoder: ImageEncoder, params: ExtractParams) -> ImageEncoder:
    """The encoder with its own preprocessing, except for what params.yaml changes."""
    return encoder.with_preprocess(changed_by_params(encoder.preprocess, params))


def changed_by_params(preprocess: Preprocess, params: ExtractParams) -> Preprocess:
    """An encoder's own preprocessing, except for what params.yaml changes."""
    if params.resize != "encoder":
        preprocess = replace(preprocess, resize=params.resize)
    if params.normalise == "imagenet":
        preprocess = replace(preprocess, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return preprocess


def image_rows_of(table: SampleTable, n_views: int) -> ImageRows:
    """One image per usable row; rows of the train split get all views, the others the plain one."""
    return ImageRows.of_table(table, n_views)


def schema_of(table: SampleTable, n_views: int, outputs: tuple[Output, ...]) -> Schema:
    """Rows, views and arrays of the store, cut into shards."""
    arrays = tuple(ArraySpec(output.name, output.row_shape, output.dtype) for output in outputs)
    return Schema.plan(len(table), n_views, arrays)


def store_key(
    table: SampleTable,
    encoder: ImageEncoder,
    outputs: tuple[Output, ...],
    params: ExtractParams,
    alignment: Mapping[str, Any] | None = None,
) -> StoreKey:
    """Everything that changes a feature of this table under this encoder.

    Parameters
    ----------
    alignment : how faces were detected and cropped; None where images are taken as they are
    """
    names = ("sha256", "box", *(("face",) if alignment else ()))
    views: dict[str, Any] = {"count": params.views}
    if params.views > 1:
        augmented = np.flatnonzero(image_rows_of(table, params.views).augmented)
        rows = sha256_of_items(augmented[block].tolist() for block in _blocks(len(augmented)))
        views |= {"seed": params.view_seed, "recipe": ViewRecipe().as_json(), "rows": rows}
    output_names = [
        f"{output.name}:{output.row_shape[0]}" if output.name == "pixels" else output.name for output in outputs
    ]
    return StoreKey(
        samples=sha256_of_items(_samples(table.frame, names)),
        outputs=tuple(output_names),
        views=views,
        **row_fields(encoder, params, alignment),
    )


def _samples(frame: pd.DataFrame, names: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """The values of some columns, row by row; None of a column that the table does not have."""
    for rows in _blocks(len(frame)):
        yield list(zip(*(_column(frame, name, rows) for name in names), strict=True))


def _blocks(n_rows: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK_ROWS) for start in range(0, n_rows, BLOCK_ROWS))


def row_fields(
    encoder: ImageEncoder, params: ExtractParams, alignment: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The fields of a key that determine how an image becomes a feature; where they are equal, rows can be copied."""
    preprocess = {"decoder": DECODER, **encoder.preprocess.as_json()}
    return {
        "encoder": dict(encoder.identity),
        "preprocess": preprocess | ({"alignment": dict(alignment)} if alignment else {}),
        "precision": encoder.precision,
        "dtype": params.dtype,
    }


def box_texts(table: SampleTable) -> TextColumn:
    """The box of every row as `x,y,width,height`, empty where there is none."""
    return _number_texts(table.frame, "box")


def box_of(text: str) -> tuple[int, int, int, int] | None:
    """The box that `box_texts` wrote; StageError if it is none."""
    if not text:
        return None
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError as error:
        raise StageError(f"a box: expected x,y,width,height, found {text!a:.60}") from error
    return x, y, width, height


def face_texts(table: SampleTable) -> TextColumn:
    """The landmarks of every row as `x,y,x,y,...`, empty where there are none."""
    return _number_texts(table.frame, "face")


def face_of(text: str) -> tuple[float, ...] | None:
    """The landmarks that `face_texts` wrote; StageError if they are none."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else None
    except ValueError as error:
        raise StageError(f"landmarks: expected x,y,x,y,..., found {text!a:.60}") from error


def _column(frame: pd.DataFrame, name: str, rows: slice) -> list[Any]:
    """Some values of a column, such as `box` or `face`; None for every row of a table without it."""
    if name in frame:
        values: list[Any] = frame[name].array[rows].tolist()
        return values
    return [None] * len(range(*rows.indices(len(frame))))


def _number_texts(frame: pd.DataFrame, name: str) -> TextColumn:
    def read(start: int, stop: int) -> list[str]:
        return [",".join(map(str, values)) if values else "" for values in _column(frame, name, slice(start, stop))]

    return TextColumn(len(frame), read)


def columns_of(table: SampleTable, rejected: Mapping[int, str]) -> dict[str, Column]:
    """The table's columns for a store, with the images that could not be used marked as rejected."""
    frame, rejections = table.frame, dict(rejected)
    replaced = {"status": dict.fromkeys(rejections, REJECTED), "reason": rejections}
    columns: dict[str, Column] = {
        name: _table_texts(frame[name], replaced.get(name, {})) for name in _TEXT_COLUMNS if name in frame
    }
    for name, missing in MISSING_INTEGERS.items():
        if name in frame:
            columns[name] = frame[name].fillna(missing).to_numpy(dtype=np.int64)
    if "box" in frame:
        columns["box"] = box_texts(table)
    if "face" in frame:
        columns["face"] = face_texts(table)
    if "distribution" in frame:
        columns["distribution"] = _number_texts(frame, "distribution")
    return columns


def _table_texts(values: pd.Series[Any], replaced: Mapping[int, str]) -> TextColumn:
    """A column of the table, empty where it has no text; `replaced` are row -> text in its place."""

    def read(start: int, stop: int) -> list[str]:
        texts: list[str] = values.iloc[start:stop].fillna("").tolist()
        for row in rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)].tolist():
            texts[row - start] = replaced[row]
        return texts

    rows = np.array(sorted(replaced), np.intp)
    return TextColumn(len(values), read)


def dataset_info(table: SampleTable) -> dict[str, Any]:
    """What the columns describe."""
    info = table.info
    return {
        "name": info.dataset,
        "layout": info.layout,
        "release": info.release,
        "classes": list(info.classes),
        "options": dict(info.options),
        **({"unit": info.unit} if info.unit != "image" else {}),
    }


def provenance_of(encoder: Encoder, encoder_name: str, spec: EncoderSpec) -> dict[str, Any]:
    """What made the features. No times and no speed: equal work gives equal stores, bit for bit.

    The spec, as it was written, is compared where the weights themselves are on another machine.
    """
    return {
        "encoder": encoder_name,
        "encoder_spec": str(spec),
        "encoder_note": encoder.note,
        "encoder_saw": list(encoder.trained_on),
        "device": encoder.device.partition(":")[0],
        "decoder": decoder_version(),
        "python": platform.python_version(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of the libraries that a feature may depend on."""
    return {name: version(name) for name in _LIBRARIES}
