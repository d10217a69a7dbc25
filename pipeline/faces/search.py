"""The one face that each image of a dataset is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from PIL import Image

from pipeline.errors import ImageError
from pipeline.extraction.prefetch import parallel_map
from pipeline.faces.face import Face, FaceDetector
from pipeline.faces.selection import around, face_of_box, main_face
from pipeline.images.reading import ImageRow, ImageSource, row_picture
from pipeline.images.transform import OUTSIDE_IMAGE

__all__ = ["NO_FACE", "Finding", "find_face", "search"]

NO_FACE = "no face found"
_JOBS_PER_TASK = 16


@dataclass(frozen=True, eq=False)
class Finding:
    """What was found in one image.

    Parameters
    ----------
    face : the one that the dataset means; None if there is none
    n_faces : all that were seen; with a box of the dataset, all that were seen around it
    reason : why there is none; `NO_FACE`, or why the image cannot be used
    """

    face: Face | None
    n_faces: int = 0
    reason: str = ""


def search(
    jobs: Iterable[ImageRow], root: ImageSource, detector: FaceDetector, threads: int
) -> Iterator[list[tuple[ImageRow, Finding]]]:
    """Look for the face of every job, in order, some at a time.

    Threads, not processes: Pillow and OpenCV let go of the interpreter while they work.

    Raises
    ------
    DatasetError
        If a file is gone or changed since it was indexed.
    """
    yield from parallel_map(lambda task: _searched(task, root, detector), _tasks(jobs), threads, 2 * threads)


def find_face(picture: Image.Image, box: tuple[int, int, int, int] | None, detector: FaceDetector) -> Finding:
    """The face that a dataset means with this picture: that of its box, else the large one near the centre.

    Parameters
    ----------
    picture : mode RGB
    box : of the dataset, x, y, width, height in pixels; the face is looked for in and around it

    Returns
    -------
    Finding
        With coordinates of the whole picture; landmarks rounded to hundredths of a pixel.
    """
    if box is None:
        faces = detector.detect(picture)
        return _finding(main_face(faces, picture.size), len(faces))
    left, top, right, bottom = around(picture, box)
    if left >= right or top >= bottom:
        return Finding(None, 0, OUTSIDE_IMAGE)
    faces = [_moved(face, left, top) for face in detector.detect(picture.crop((left, top, right, bottom)))]
    return _finding(face_of_box(faces, box), len(faces))


def _tasks(jobs: Iterable[ImageRow]) -> Iterator[Sequence[ImageRow]]:
    rest = iter(jobs)
    while task := list(islice(rest, _JOBS_PER_TASK)):
        yield task


def _searched(jobs: Sequence[ImageRow], root: ImageSource, detector: FaceDetector) -> list[tuple[ImageRow, Finding]]:
    return [(job, _find(job, root, detector)) for job in jobs]


def _find(job: ImageRow, root: ImageSource, detector: FaceDetector) -> Finding:
    try:
        picture = row_picture(root, job)
    except ImageError as error:
        return Finding(None, 0, str(error))
    return find_face(picture, job.box, detector)


def _finding(face: Face | None, n_faces: int) -> Finding:
    if face is None:
        return Finding(None, n_faces, NO_FACE)
    return Finding(face.rounded(), n_faces)


def _moved(face: Face, x: float, y: float) -> Face:
    left, top, width, height = face.box
    return Face((left + x, top + y, width, height), face.landmarks + np.array([x, y], np.float32), face.score)
