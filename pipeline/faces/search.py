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

__all__ = ["NO_FACE", "Detection", "find_face", "search"]

NO_FACE = "no face found"
_IMAGES_PER_TASK = 16


@dataclass(frozen=True, eq=False)
class Detection:
    """What a detector finds in one image.

    Parameters
    ----------
    face : the labelled one; None if there is none
    n_faces : how many were detected; with a box of the dataset, how many in and around it
    reason : why there is none; `NO_FACE`, or why the image cannot be used
    """

    face: Face | None
    n_faces: int = 0
    reason: str = ""


def search(
    images: Iterable[ImageRow], root: ImageSource, detector: FaceDetector, threads: int
) -> Iterator[list[tuple[ImageRow, Detection]]]:
    """Detect the face of every image, in order, some at a time.

    Threads, not processes: Pillow and OpenCV release the interpreter's lock while they work.

    Raises
    ------
    DatasetError
        If a file is gone or changed since it was indexed.
    """
    yield from parallel_map(lambda task: _searched(task, root, detector), _tasks(images), threads, 2 * threads)


def find_face(picture: Image.Image, box: tuple[int, int, int, int] | None, detector: FaceDetector) -> Detection:
    """The labelled face of a picture of a dataset: that of its box, else the large one near the centre.

    Parameters
    ----------
    picture : mode RGB
    box : of the dataset, x, y, width, height in pixels; the face is searched for in and around it

    Returns
    -------
    Detection
        With coordinates of the whole picture; landmarks rounded to hundredths of a pixel.
    """
    if box is None:
        faces = detector.detect(picture)
        return _detection(main_face(faces, picture.size), len(faces))
    left, top, right, bottom = around(picture, box)
    if left >= right or top >= bottom:
        return Detection(None, 0, OUTSIDE_IMAGE)
    faces = [_moved(face, left, top) for face in detector.detect(picture.crop((left, top, right, bottom)))]
    return _detection(face_of_box(faces, box), len(faces))


def _tasks(images: Iterable[ImageRow]) -> Iterator[Sequence[ImageRow]]:
    rest = iter(images)
    while task := list(islice(rest, _IMAGES_PER_TASK)):
        yield task


def _searched(
    images: Sequence[ImageRow], root: ImageSource, detector: FaceDetector
) -> list[tuple[ImageRow, Detection]]:
    return [(image, _find(image, root, detector)) for image in images]


def _find(image: ImageRow, root: ImageSource, detector: FaceDetector) -> Detection:
    try:
        picture = row_picture(root, image)
    except ImageError as error:
        return Detection(None, 0, str(error))
    return find_face(picture, image.box, detector)


def _detection(face: Face | None, n_faces: int) -> Detection:
    if face is None:
        return Detection(None, n_faces, NO_FACE)
    return Detection(face.rounded(), n_faces)


def _moved(face: Face, x: float, y: float) -> Face:
    left, top, width, height = face.box
    return Face((left + x, top + y, width, height), face.landmarks + np.array([x, y], np.float32), face.score)
