"""A picture of the faces that `align` detected, to check before anything is trained on them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from cache.atomic import write_bytes
from pipeline.datasets.roots import open_root
from pipeline.faces.sheet import draw_contact_sheet
from pipeline.faces.table import UNUSABLE, FaceTable
from pipeline.images.alignment import Alignment
from pipeline.images.reading import row_picture
from pipeline.tables.samples import SampleTable
from stages.errors import StageError
from stages.workflows.store_identity import image_rows_of

__all__ = ["write_contact_sheet"]

_N_IMAGES = 60


def write_contact_sheet(path: Path, table: SampleTable, root: Path, faces: FaceTable, alignment: Alignment) -> None:
    """Write one PNG with some images of a dataset, evenly spread over it, and the faces that were detected in them.

    Parameters
    ----------
    faces : face table of the same rows

    Raises
    ------
    StageError
        If there is no usable image.
    """
    rows = np.flatnonzero(faces.frame["status"] != UNUSABLE)
    if not len(rows):
        raise StageError(f"contact sheet {path}: expected a usable image, found none in {table.info.dataset}")
    chosen = rows[np.linspace(0, len(rows) - 1, min(_N_IMAGES, len(rows))).round().astype(int)]
    images = image_rows_of(table, 1).at_rows(chosen)
    keys, detections = faces.frame["image"].iloc[chosen], faces.detections_of(chosen)
    with open_root(root.absolute()) as opened:
        pictures = [row_picture(opened, image) for image in images]
    sheet = draw_contact_sheet(pictures, [detections[key] for key in keys], alignment)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())
