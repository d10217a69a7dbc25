"""The faces that `align` found, brought to the rows of a sample table."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache.reuse import image_names
from pipeline.faces import Alignment
from pipeline.faces.table import MISSED, FaceTable
from pipeline.images.formats import decodable_since
from pipeline.tables.samples import OK, REJECTED, SampleTable
from stages.errors import StageError
from stages.names import first_rows
from stages.workflows.store_identity import box_texts
from stages.workspace import Workspace

__all__ = ["NOT_LOOKED_AT", "AlignedFaces", "face_table_path", "images_of_table", "with_faces"]

NOT_LOOKED_AT = "rejected when it was indexed"


@dataclass(frozen=True)
class AlignedFaces:
    """How the faces of a table were found and are cut out.

    Parameters
    ----------
    alignment : the recipe that cuts them out
    missed_as : `reject` or `centre`: what became of images without one
    detector : what found them
    missed : how many images have none
    """

    alignment: Alignment
    missed_as: str
    detector: Mapping[str, Any]
    missed: int

    def as_json(self) -> dict[str, Any]:
        """What enters a store's key; the number missed is no recipe."""
        return {**self.alignment.as_json(), "missed": self.missed_as, "detector": dict(self.detector)}


def face_table_path(folder: Path, dataset: str, stem: str) -> Path:
    """Where the faces of the first rows of a dataset are: in a table of their own (`stem`), else in that of all."""
    own = Workspace(faces=folder).face_table(stem)
    return own if own.exists() else Workspace(faces=folder).face_table(dataset)


def images_of_table(table: SampleTable) -> npt.NDArray[np.object_]:
    """What every row is to a detector: the digest of its bytes and its box, as one text. shape (N,)"""
    return image_names(table.frame["sha256"], box_texts(table))


def with_faces(
    table: SampleTable, path: Path, alignment: Alignment, missed_as: str
) -> tuple[SampleTable, AlignedFaces]:
    """The table with the landmarks of every face, and its rows without a face rejected or left to be centre crops.

    Parameters
    ----------
    path : of the face table; its rows are found by their image, so that labels, splits and order may change

    Raises
    ------
    StageError
        If it does not know every usable image.
    TableError
        If there is none, or it is damaged.
    """
    faces, dataset = FaceTable.read(path), table.info.dataset
    usable = (table.frame["status"] == OK).to_numpy()
    # Another row of an image that was not looked at may have a face; what can be decoded by now has to be looked at.
    skipped = [NOT_LOOKED_AT, *decodable_since(faces.frame["reason"].unique())]
    looked_at = faces.frame[~faces.frame["reason"].isin(skipped)]
    found = looked_at.drop_duplicates("image").set_index("image").reindex(pd.Index(images_of_table(table)))
    status = found["status"].to_numpy(dtype=object)
    if unknown := int((usable & pd.isna(status)).sum()):
        name, limit = first_rows(path.stem) or (path.stem, 0)
        align = ["fer-stage", "align", "--dataset", name, *(["--limit", str(limit)] if limit else [])]
        raise StageError(
            f"{path} knows {usable.sum() - unknown:,} of {usable.sum():,} images of {dataset}: it was made of another "
            "sample table, with faces: given, or where those images could not be decoded. "
            f"Run: {shlex.join(align)}"
        )
    missed = usable & (status == MISSED)
    frame = table.frame.assign(face=_landmarks(found, usable))
    if missed_as == "reject":
        frame.loc[missed, "status"] = REJECTED
        frame.loc[missed, "reason"] = found["reason"].to_numpy(dtype=object)[missed]
    said = AlignedFaces(alignment, missed_as, faces.info.detector, int(missed.sum()))
    return SampleTable(frame, table.info), said


def _landmarks(found: pd.DataFrame, usable: npt.NDArray[np.bool_]) -> pd.Series[Any]:
    """Ten numbers a face as they were rounded, None where there is none."""
    points = [
        tuple(round(float(value), 2) for value in values) if known and isinstance(values, np.ndarray) else None
        for values, known in zip(found["landmarks"], usable, strict=True)
    ]
    return pd.Series(points, dtype=object)
