"""A picture of the faces that `align` found, to check before anything is trained on them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from cache.atomic import write_bytes
from pipeline.datasets.roots import open_root
from pipeline.faces import Alignment
from pipeline.faces.sheet import draw_contact_sheet
from pipeline.faces.table import UNUSABLE, FaceTable
from pipeline.images.reading import row_picture
from pipeline.tables.samples import SampleTable
from stages.errors import StageError
from stages.workflows.store_identity import image_rows_of

__all__ = ["write_contact_sheet"]

_N_IMAGES = 60


def write_contact_sheet(path: Path, table: SampleTable, root: Path, faces: FaceTable, alignment: Alignment) -> None:
    """Write one PNG with some images of a dataset, evenly spread over it, and the faces that were found in them.

    Parameters
    ----------
    faces : face table of the same rows

    Raises
    ------
    StageError
        If there is no usable image.
    """
    jobs = [job for job in image_rows_of(table, 1) if faces.frame["status"][job.row] != UNUSABLE]
    if not jobs:
        raise StageError(f"contact sheet {path}: expected a usable image, found none in {table.info.dataset}")
    chosen = [jobs[i] for i in np.linspace(0, len(jobs) - 1, min(_N_IMAGES, len(jobs))).round().astype(int)]
    images, findings = faces.frame["image"], faces.findings()
    with open_root(root.absolute()) as opened:
        pictures = [row_picture(opened, job) for job in chosen]
    sheet = draw_contact_sheet(pictures, [findings[images[job.row]] for job in chosen], alignment)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())
