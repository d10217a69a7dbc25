"""Joins the faces that `align` detected to the rows of a sample table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.columns import TextColumn
from cache.reuse import Digests, image_digests, image_keys, rows_of_images
from pipeline.faces.table import MISSED, FaceTable
from pipeline.images.alignment import LANDMARK_DECIMALS, Alignment
from pipeline.images.formats import decodable_since
from pipeline.tables.number_rows import NumberRows, TupleRows
from pipeline.tables.samples import OK, REJECTED, SampleTable
from stages.errors import StageError
from stages.workflows.store_identity import box_texts
from stages.workspace import Workspace

__all__ = [
    "NOT_SEARCHED",
    "AlignedFaces",
    "face_table_digests",
    "face_table_path",
    "image_texts",
    "with_faces",
]

NOT_SEARCHED = "rejected when it was indexed"


@dataclass(frozen=True)
class AlignedFaces:
    """How the faces of a table were detected and are cropped.

    Parameters
    ----------
    alignment : how they are cropped
    missed_as : `reject` or `centre`: how images without a face are treated
    detector : name, version and thresholds of what detected them
    missed : number of images without a face
    """

    alignment: Alignment
    missed_as: str
    detector: Mapping[str, Any]
    missed: int

    def as_json(self) -> dict[str, Any]:
        """What enters a store's key: not the number of images without a face, which is a result."""
        return {**self.alignment.as_json(), "missed": self.missed_as, "detector": dict(self.detector)}


def face_table_path(folder: Path, dataset: str, stem: str) -> Path:
    """The face table of some rows of a dataset: their own (`stem`) if there is one, else that of all rows."""
    own = Workspace(faces=folder).face_table(stem)
    return own if own.exists() else Workspace(faces=folder).face_table(dataset)


def image_texts(table: SampleTable) -> TextColumn:
    """What identifies the image of every row: the digest of its bytes and its box, as one text."""
    digests, boxes = table.frame["sha256"].array, box_texts(table)
    return TextColumn(
        len(table), lambda start, stop: image_keys(digests[start:stop].tolist(), boxes[start:stop]).tolist()
    )


def face_table_digests(faces: FaceTable) -> Digests:
    """The digest of every row's image, comparable with `image_digests` of the `image_texts` of a sample table."""
    return image_digests(len(faces), [faces.frame["image"].array])


def with_faces(
    table: SampleTable, path: Path, alignment: Alignment, missed_as: str
) -> tuple[SampleTable, AlignedFaces]:
    """The table with the landmarks of every face, and its rows without a face rejected or left to be centre crops.

    Parameters
    ----------
    path : of the face table; its rows are joined by their image, so that labels, splits and order may change

    Raises
    ------
    StageError
        If it lacks a usable image.
    TableError
        If there is no such file, or it is damaged.
    """
    faces, dataset = FaceTable.read(path), table.info.dataset
    usable = (table.frame["status"] == OK).to_numpy(dtype=bool)
    # Another row of an image that was not searched may have a face; what can be decoded by now must be searched.
    skipped = [NOT_SEARCHED, *decodable_since(faces.frame["reason"].unique())]
    searched = ~faces.frame["reason"].isin(skipped).to_numpy(dtype=bool)
    images = image_digests(len(table), [image_texts(table)])
    rows = rows_of_images(images, face_table_digests(faces), searched)
    if unknown := int((usable & (rows < 0)).sum()):
        raise StageError(
            f"{path}: expected the faces of {usable.sum():,} images of {dataset}, found those of "
            f"{usable.sum() - unknown:,}: it was made of another sample table, with `faces: given`, or where the other "
            "images could not be decoded",
            remedy=[("align", {"dataset": path.stem, "face_tables": path.parent})],
        )
    missed = usable & (rows >= 0)
    missed[missed] = (faces.frame["status"].iloc[rows[missed]] == MISSED).to_numpy(dtype=bool)
    frame = table.frame.assign(face=_landmarks(faces, rows, usable))
    if missed_as == "reject":
        frame.loc[missed, "status"] = REJECTED
        frame.loc[missed, "reason"] = faces.frame["reason"].iloc[rows[missed]].to_numpy(dtype=object)
    aligned = AlignedFaces(alignment, missed_as, faces.info.detector, int(missed.sum()))
    return SampleTable(frame, table.info), aligned


def _landmarks(faces: FaceTable, rows: npt.NDArray[np.int32], usable: npt.NDArray[np.bool_]) -> TupleRows:
    """Ten numbers a face as they were rounded, none where there is no face.

    Parameters
    ----------
    rows : of the face table, shape (N,); -1 where it has none
    """
    landmarks = faces.frame["landmarks"].array
    assert isinstance(landmarks, NumberRows)
    found = landmarks.take(np.where(usable, rows, -1), allow_fill=True)
    return TupleRows(found.values.astype(np.float64).round(LANDMARK_DECIMALS), found.known)
