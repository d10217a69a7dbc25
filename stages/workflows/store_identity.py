"""From a sample table and an encoder to the key, the schema and the columns of a store."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache.keys import StoreKey, sha256_of
from cache.schema import MISSING_INTEGERS, ArraySpec, Schema
from pipeline.encoders import Encoder, EncoderSpec, ImageEncoder
from pipeline.extraction import Output
from pipeline.images.decode import DECODER, decoder_version
from pipeline.images.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from pipeline.images.reading import ImageRow
from pipeline.images.views import ViewRecipe
from pipeline.tables.samples import REJECTED, SampleTable
from stages.errors import StageError
from stages.params import ExtractParams

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
_TEXT_COLUMNS = ("id", "path", "label", "split", "status", "reason", "sha256", "subject", "clip")


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


def image_rows_of(table: SampleTable, n_views: int) -> list[ImageRow]:
    """One image per usable row; rows of the train split get all views, the others the plain one."""
    usable = table.usable
    all_views, plain = tuple(range(n_views)), (0,)
    columns = (usable[name].tolist() for name in ("path", "sha256", "split"))
    return [
        ImageRow(row, path, digest, box, all_views if split == "train" else plain, face)
        for row, path, digest, split, box, face in zip(
            usable.index.tolist(), *columns, _column(usable, "box"), _column(usable, "face"), strict=True
        )
    ]


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
    columns = [_column(table.frame, name) for name in ("sha256", "box", *(("face",) if alignment else ()))]
    samples = list(zip(*columns, strict=True))
    views: dict[str, Any] = {"count": params.views}
    if params.views > 1:
        usable = table.usable
        augmented = usable.index[usable["split"] == "train"].tolist()
        views |= {"seed": params.view_seed, "recipe": ViewRecipe().as_json(), "rows": sha256_of(augmented)}
    names = [f"{output.name}:{output.row_shape[0]}" if output.name == "pixels" else output.name for output in outputs]
    return StoreKey(
        samples=sha256_of(samples),
        outputs=tuple(names),
        views=views,
        **row_fields(encoder, params, alignment),
    )


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


def box_texts(table: SampleTable) -> list[str]:
    """The box of every row as `x,y,width,height`, empty where there is none."""
    return _texts(table, "box")


def box_of(text: str) -> tuple[int, int, int, int] | None:
    """The box that `box_texts` wrote; StageError if it is none."""
    if not text:
        return None
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError as error:
        raise StageError(f"a box: expected x,y,width,height, found {text!a:.60}") from error
    return x, y, width, height


def face_texts(table: SampleTable) -> list[str]:
    """The landmarks of every row as `x,y,x,y,...`, empty where there are none."""
    return _texts(table, "face")


def face_of(text: str) -> tuple[float, ...] | None:
    """The landmarks that `face_texts` wrote; StageError if they are none."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else None
    except ValueError as error:
        raise StageError(f"landmarks: expected x,y,x,y,..., found {text!a:.60}") from error


def _column(frame: pd.DataFrame, name: str) -> list[Any]:
    """The values of a column, such as `box` or `face`; None for every row of a table without it."""
    return frame[name].tolist() if name in frame else [None] * len(frame)


def _texts(table: SampleTable, name: str) -> list[str]:
    return [",".join(map(str, values)) if values else "" for values in _column(table.frame, name)]


def columns_of(table: SampleTable, rejected: Mapping[int, str]) -> dict[str, npt.NDArray[Any]]:
    """The table's columns for a store, with the images that could not be used marked as rejected."""
    frame = table.frame.copy()
    if rejected:
        rows = list(rejected)
        frame.loc[rows, "status"] = REJECTED
        frame.loc[rows, "reason"] = list(rejected.values())
    columns = {name: frame[name].fillna("").to_numpy(dtype=object) for name in _TEXT_COLUMNS if name in frame}
    for name, missing in MISSING_INTEGERS.items():
        if name in frame:
            columns[name] = frame[name].fillna(missing).to_numpy(dtype=np.int64)
    if "box" in frame:
        columns["box"] = np.array(box_texts(table), dtype=object)
    if "face" in frame:
        columns["face"] = np.array(face_texts(table), dtype=object)
    return columns


def dataset_info(table: SampleTable) -> dict[str, Any]:
    """What the columns describe."""
    info = table.info
    return {
        "name": info.dataset,
        "layout": info.layout,
        "release": info.release,
        "classes": list(info.classes),
        "options": dict(info.options),
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
