"""The face table of a dataset: for every row of its sample table the face that `align` detected.

Columns: `id`, `image` (what the row is to a detector: the digest of its bytes and its box, as one text), `status`
(found, missed, rejected), `reason` (why there is no face), `faces` (how many were detected), and of the labelled one
`score`, `box` (x, y, width, height) and `landmarks` (x, y of five points), pixels of the upright picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.faces.detections import FOUND, MISSED, UNUSABLE, DetectionColumns
from pipeline.faces.face import Face
from pipeline.faces.search import Detection
from pipeline.tables.number_rows import NumberRows
from pipeline.tables.parquet import TableKind

__all__ = ["FOUND", "MISSED", "UNUSABLE", "FaceTable", "FacesInfo"]

_NUMBERS = {"box": 4, "landmarks": 10}
_SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "image": pa.string(),
        "status": pa.string(),
        "reason": pa.string(),
        "faces": pa.int32(),
        "score": pa.float32(),
        "box": pa.list_(pa.float32()),
        "landmarks": pa.list_(pa.float32()),
    }
)


@dataclass(frozen=True)
class FacesInfo:
    """What a face table is of.

    Parameters
    ----------
    dataset : its name
    samples : digest of the images and boxes of the sample table, in order; "" for an unfinished one
    detector : identity of the detector
    """

    dataset: str
    samples: str
    detector: Mapping[str, Any]


_KIND = TableKind(
    "face table",
    b"fer-stage-faces",
    schema=1,
    info=FacesInfo,
    columns={name: _SCHEMA.field(name).type for name in _SCHEMA.names},
    optional=frozenset({"score", "box", "landmarks"}),
    command="align",
    folder="face_tables",
    by_hand="Delete it",
    purpose="to align the dataset again",
)


@dataclass(frozen=True)
class FaceTable:
    """Rows in the order of the sample table. Build one with `of` or `read`; `frame` must not be changed."""

    frame: pd.DataFrame
    info: FacesInfo

    def __len__(self) -> int:
        return len(self.frame)

    @classmethod
    def of(
        cls, ids: Sequence[str], images: Sequence[str], detections: Sequence[Detection], info: FacesInfo
    ) -> FaceTable:
        """The table of the detections of each image."""
        columns = DetectionColumns()
        for detection in detections:
            columns.append(detection)
        return cls.of_columns(pd.Series(ids, dtype="str"), pd.Series(images, dtype="str"), columns.frame(), info)

    @classmethod
    def of_columns(
        cls, ids: pd.Series[str], images: pd.Series[str], detections: pd.DataFrame, info: FacesInfo
    ) -> FaceTable:
        """The same of columns.

        Parameters
        ----------
        detections : as `DetectionColumns.frame` has them, in the order of the images
        """
        columns = {"id": ids, "image": images, **{name: detections[name] for name in _SCHEMA.names[2:]}}
        return cls(pd.DataFrame({name: column.array for name, column in columns.items()}), info)

    @classmethod
    def read(cls, path: Path) -> FaceTable:
        """The table written at `path`.

        Raises
        ------
        TableError
            If the file is missing, is no face table, has a newer schema than this program knows, or breaks a rule of
            face tables: the column or the entry of its metadata is named.
        """
        arrow, info = _KIND.read(path)
        if problem := _problem(arrow):
            raise _KIND.error(path, problem)
        numbers = {name: NumberRows.of_arrow(arrow[name], width) for name, width in _NUMBERS.items()}
        frame = arrow.drop_columns(list(numbers)).to_pandas()
        for name, rows in numbers.items():
            frame[name] = rows if rows is not None else NumberRows.empty(len(frame), _NUMBERS[name], np.float32)
        return cls(frame[_SCHEMA.names], info)

    def to_arrow(self) -> pa.Table:
        """The same rows for Parquet, with `info` in the schema's metadata."""
        return _KIND.described(pa.Table.from_pandas(self.frame, _SCHEMA, preserve_index=False), asdict(self.info))

    def detections(self) -> dict[str, Detection]:
        """Image -> its detection; of images that could be read."""
        return self.detections_of(np.flatnonzero(self.frame["status"] != UNUSABLE))

    def detections_of(self, rows: npt.NDArray[np.intp]) -> dict[str, Detection]:
        """Image -> its detection, of some rows."""
        frame = self.frame.iloc[rows]
        columns = (frame[name].tolist() for name in ("image", "reason", "faces", "score", "box", "landmarks"))
        return {image: _detection(*values) for image, *values in zip(*columns, strict=True)}

    def count(self, status: str) -> int:
        """Rows of a status."""
        return int((self.frame["status"] == status).sum())


def _problem(table: pa.Table) -> str:
    """Why a table that was read is not the result of a detector; empty if it may be."""
    if missing := [name for name in _SCHEMA.names if name not in table.column_names]:
        return f"column {missing[0]} is missing"
    status = table["status"].to_numpy()
    if (strange := ~np.isin(status, (FOUND, MISSED, UNUSABLE))).any():
        return f"column status: expected {FOUND}, {MISSED} or {UNUSABLE}, found {status[strange.argmax()]!r:.80}"
    if table["faces"].to_numpy().min(initial=0) < 0:
        return "column faces: expected counts of 0 or more"
    for name, size in _NUMBERS.items():
        row = _first_other(table[name].combine_chunks(), status == FOUND, size)
        if row is not None:
            return f"column {name}: expected {size} numbers if a face is found, else none; wrong in row {row}"
    return ""


def _first_other(column: pa.ListArray, is_found: npt.NDArray[np.bool_], size: int) -> int | None:
    """The first row that has not `size` finite numbers where a face is found, and none elsewhere."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    wrong = (lengths != np.where(is_found, size, 0)) | (column.is_valid().to_numpy(zero_copy_only=False) != is_found)
    if not wrong.any():
        numbers = pc.fill_null(column.flatten(), float("nan")).to_numpy().reshape(-1, size)
        wrong[is_found] = ~np.isfinite(numbers).all(1)
    return int(wrong.argmax()) if wrong.any() else None


def _detection(reason: str, n_faces: int, score: float, box: Any, landmarks: Any) -> Detection:
    if box is None:
        return Detection(None, n_faces, reason)
    x, y, width, height = (float(value) for value in box)
    return Detection(
        Face((x, y, width, height), np.asarray(landmarks, np.float32).reshape(5, 2), float(score)), n_faces
    )
