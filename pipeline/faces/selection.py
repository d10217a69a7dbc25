"""Which of several faces in a picture is the labelled one."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, hypot

from PIL import Image

from pipeline.faces.face import Box, Face, area, common_area

__all__ = ["around", "face_of_box", "main_face"]

_AROUND = 0.5  # share of a box's side by which each side of the search region exceeds it: boxes of datasets are tight


def main_face(faces: Sequence[Face], size: tuple[int, int]) -> Face | None:
    """The large face near the centre: area, less the share of the way from the centre to a corner.

    Parameters
    ----------
    size : width and height of the picture, pixels
    """
    width, height = size

    def weight(face: Face) -> float:
        x, y, w, h = face.box
        away = hypot(x + (w - width) / 2, y + (h - height) / 2) / (hypot(width, height) / 2)
        return area(face.box) * max(0.0, 1 - away)

    return max(faces, key=weight, default=None)


def face_of_box(faces: Sequence[Face], box: Box) -> Face | None:
    """The face that overlaps a dataset's own box best (intersection over union), with its middle in the box; or None.

    Where the person of the box is not detected, a neighbour's face may still reach into it.
    """
    inside = [face for face in faces if _middle_is_in(box, face.box)]
    return max(inside, key=lambda face: _overlap(face.box, box), default=None)


def around(picture: Image.Image, box: Box) -> tuple[int, int, int, int]:
    """Where to search for the face of a box: left, top, right, bottom of the box with its surroundings, in the picture.

    Returns
    -------
    An empty or upside-down region if the box lies outside the picture.
    """
    x, y, width, height = box
    left, top = max(0, floor(x - _AROUND * width)), max(0, floor(y - _AROUND * height))
    right, bottom = x + (1 + _AROUND) * width, y + (1 + _AROUND) * height
    return left, top, min(picture.width, ceil(right)), min(picture.height, ceil(bottom))


def _middle_is_in(box: Box, face: Box) -> bool:
    x, y = face[0] + face[2] / 2, face[1] + face[3] / 2
    return box[0] <= x <= box[0] + box[2] and box[1] <= y <= box[1] + box[3]


def _overlap(a: Box, b: Box) -> float:
    common = common_area(a, b)
    return common / (area(a) + area(b) - common)
