"""AffectNet as distributed since 2021: cropped faces, and one small npy file per label."""

from __future__ import annotations

import io
from collections.abc import Mapping
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np

from pipeline.datasets.reading.rows import Row, translate
from pipeline.datasets.roots.files import Root, some
from pipeline.errors import DatasetError, ImageError
from pipeline.images.formats import is_image
from pipeline.tables.sample import Sample

__all__ = ["NO_ANNOTATION", "npy_rows"]

NO_ANNOTATION = "no annotation"
_END = "_exp.npy"
_MAX_BYTES = 2**16  # of one label; they have less than 200
_SETS = {"train_set": "train", "val_set": "test"}


def npy_rows(root: Root, codes: Mapping[int, str]) -> list[Row]:
    """One row per `<set>/annotations/<id>_exp.npy`; images without one are excluded. Empty if this is another release.

    Raises
    ------
    DatasetError
        If an annotation is no 0-d string or number.
    LabelError
        If a code is unknown.
    """
    annotations = {key: name for name in root.names() if name.endswith(_END) and (key := _key(name, "annotations"))}
    if not annotations:
        return []
    images = {key: name for name in root.names() if is_image(name) and (key := _key(name, "images"))}
    labels = translate(_read_all(root, list(annotations.values())), codes, f"{root.path}: annotations")
    rows = [
        Row(Sample("/".join(key), images.get(key) or _expected_image(name), label, _SETS[key[0]]))
        for (key, name), label in zip(annotations.items(), labels, strict=True)
    ]
    without = [name for key, name in images.items() if key not in annotations]
    return rows + [Row(Sample("", name, "", ""), NO_ANNOTATION) for name in without]


def _key(name: str, folder: str) -> tuple[str, str] | None:
    """(set, id) of a file in `folder` of one of the two sets."""
    parts = name.split("/")
    if len(parts) < 3 or parts[-3] not in _SETS or parts[-2] != folder:
        return None
    return parts[-3], parts[-1].removesuffix(_END).partition(".")[0]


def _expected_image(annotation: str) -> str:
    return annotation.removesuffix(_END).replace("/annotations/", "/images/") + ".jpg"


def _read_all(root: Root, names: list[str]) -> list[str]:
    labels = {name: _read(root, name) for name in names}
    if bad := [name for name, label in labels.items() if label is None]:
        raise DatasetError(
            f"{root.path}: expected one string or number in every *{_END}, found {len(bad)} other or damaged files: "
            f"{some(bad)}. Copy them again"
        )
    return [label for label in labels.values() if label is not None]


def _read(root: Root, name: str) -> str | None:
    try:
        value = np.load(io.BytesIO(root.read(name, _MAX_BYTES)), allow_pickle=False)
    except (ImageError, ValueError, OSError, EOFError, MemoryError, TokenError, BadZipFile):
        return None
    return str(value) if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "USiuf" else None
