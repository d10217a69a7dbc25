"""AffectNet with one small file per label: npy files (2021), or json files (AffectNet+)."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pipeline.datasets.reading.rows import Row, translate
from pipeline.datasets.roots.files import Root, some
from pipeline.errors import DatasetError, ImageError
from pipeline.images.formats import is_image
from pipeline.tables.sample import Sample

__all__ = ["JSON", "NO_ANNOTATION", "NPY", "LabelFiles"]

NO_ANNOTATION = "no annotation"
_MAX_BYTES = 2**16  # of one label; they have less than 200
_LABEL = "human-label"


@dataclass(frozen=True)
class LabelFiles:
    """One way of writing labels: `<set>/images/<id>.jpg` and `<set>/annotations/<id><end>`.

    Parameters
    ----------
    end : of the name of a label file
    sets : name of the folder -> split
    content : what a label file must hold, for the message
    parse : bytes of a label file -> the label as text; None if there is none in it
    """

    end: str
    sets: Mapping[str, str]
    content: str
    parse: Callable[[bytes], str | None]

    def folders(self, root: Root) -> list[str]:
        """The folders that hold such label files, in order."""
        return sorted({name.rpartition("/")[0] for name in root.names() if self._annotated(name)})

    def rows(self, root: Root, codes: Mapping[int, str]) -> list[Row]:
        """One row per label file; images without one are excluded. Empty if there are no such label files.

        Raises
        ------
        DatasetError
            If a label file does not hold one label, or a set is there twice.
        LabelError
            If a code is unknown.
        """
        annotations = {key: name for name in root.names() if (key := self._annotated(name))}
        if not annotations:
            return []
        self._refuse_two(root)
        images = {key: name for name in root.names() if is_image(name) and (key := self._key(name, "images"))}
        labels = translate(self._read_all(root, annotations.values()), codes, f"{root.path}: annotations")
        rows = [
            Row(Sample("/".join(key), images.get(key) or self._expected_image(name), label, self.sets[key[0]]))
            for (key, name), label in zip(annotations.items(), labels, strict=True)
        ]
        without = [name for key, name in images.items() if key not in annotations]
        return rows + [Row(Sample("", name, "", ""), NO_ANNOTATION) for name in without]

    def _annotated(self, name: str) -> tuple[str, str] | None:
        return self._key(name, "annotations") if name.endswith(self.end) else None

    def _key(self, name: str, folder: str) -> tuple[str, str] | None:
        """(set, id) of a file in `folder` of one of the sets."""
        parts = name.split("/")
        if len(parts) < 3 or parts[-3] not in self.sets or parts[-2] != folder:
            return None
        return parts[-3], parts[-1].removesuffix(self.end).partition(".")[0]

    def _refuse_two(self, root: Root) -> None:
        by_set: dict[str, list[str]] = {}
        for folder in self.folders(root):
            by_set.setdefault(folder.split("/")[-2], []).append(folder)
        if twice := next((folders for folders in by_set.values() if len(folders) > 1), None):
            raise DatasetError(f"{root.path}: expected every set once, found {some(twice)}. Point the root at one copy")

    def _expected_image(self, annotation: str) -> str:
        return annotation.removesuffix(self.end).replace("/annotations/", "/images/") + ".jpg"

    def _read_all(self, root: Root, names: Iterable[str]) -> list[str]:
        labels = {name: self._read(root, name) for name in names}
        if bad := [name for name, label in labels.items() if label is None]:
            raise DatasetError(
                f"{root.path}: expected {self.content} in every *{self.end}, found {len(bad)} other or damaged files: "
                f"{some(bad)}. Copy them again"
            )
        return [label for label in labels.values() if label is not None]

    def _read(self, root: Root, name: str) -> str | None:
        try:
            return self.parse(root.read(name, _MAX_BYTES))
        except ImageError:
            return None


def _npy_label(data: bytes) -> str | None:
    try:
        value = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError, TokenError, BadZipFile):
        return None
    if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype.kind not in "USiuf":
        return None
    label = value.item()
    return label.decode("ascii", "replace") if isinstance(label, bytes) else str(label)


def _json_label(data: bytes) -> str | None:
    try:
        content: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    label = content.get(_LABEL) if isinstance(content, dict) else None
    return str(label) if isinstance(label, int | float | str) and not isinstance(label, bool) else None


NPY = LabelFiles("_exp.npy", {"train_set": "train", "val_set": "test"}, "one string or number", _npy_label)
JSON = LabelFiles(
    ".json", {"train_set": "train", "validation_set": "test"}, f"an object with one {_LABEL!r}", _json_label
)
