"""How faces are detected: first where they are, then the landmarks of each, upright and at one size.

The network detects faces of some 20 to 300 pixels, and places landmarks best on large upright ones. So it is run on the
picture reduced (and, if that is large, once more at a higher resolution, for small faces); then every face is cropped,
rotated upright, resized to one size and detected again, which gives the landmarks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from pipeline.errors import ImageError
from pipeline.faces.face import Box, Face, FaceDetector, area, common_area
from pipeline.faces.rotation import ROTATIONS, RotatingDetector
from pipeline.faces.yunet import YuNet
from pipeline.images.alignment import Alignment, inverted, transform_points

__all__ = ["load_detector"]

_VERSION = 1  # of the recipe below: another one gives other landmarks
_THRESHOLD, _OVERLAP = 0.6, 0.3
_LEAST = 10  # pixels: no network detects a smaller face, and in strips this one detects faces that are none
_SMALL, _LARGE = 256, 1600  # long side of the picture in the first and the second pass, pixels
_CROP, _CROP_SIZE = Alignment(margin=0.0), 256  # of the pass over one face, which is then about 180 pixels wide
# Of faces turned by 90, 180 or 270 degrees the screen detects all that have 4 % of the picture's long side, 19 in 20 of
# 3 %, half of 2.5 %; in 66 turned pictures without a face it detected something in 3.
_SCREEN_SIDE, _SCREEN_THRESHOLD = 800, 0.2
_SAME = 0.5  # share of the smaller box that two detections of one face have in common


def load_detector(*, rotate: bool = True, screen: bool = False) -> FaceDetector:
    """The detector of all commands; takes some milliseconds and no network.

    Parameters
    ----------
    rotate : whether pictures may be rotated by 90, 180 or 270 degrees: see `RotatingDetector`
    screen : whether large pictures are searched in another rotation only where a face is detected at reduced size. The
        faces of upright pictures are the same; in a rotated one that has no face above 3 % of its long side, they are
        missed. A picture without a face takes less than half as long.

    Raises
    ------
    EncoderError
        If its weights are missing or damaged.
    """
    network = YuNet.load(_THRESHOLD, _OVERLAP)
    upright = _MultiScaleDetector(network)
    if not rotate:
        return upright
    return RotatingDetector(upright, _RotationScreen(network) if screen else None)


@dataclass(frozen=True)
class _RotationScreen:
    """The rotations in which the network detects something in the reduced picture, at a low threshold."""

    network: YuNet

    def __call__(self, picture: Image.Image) -> Sequence[Image.Transpose]:
        width, height = _scaled(picture.size, _SCREEN_SIDE)
        if _sides(max(picture.size))[-1] <= _SCREEN_SIDE or min(width, height) < _LEAST:
            return ROTATIONS  # the search itself takes no longer
        reduced = picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=1.5)
        return [one for one in ROTATIONS if self.network.detect(reduced.transpose(one), _SCREEN_THRESHOLD)]


@dataclass(frozen=True)
class _MultiScaleDetector:
    """The network run at several scales, then on each face."""

    network: YuNet

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"recipe": "twice", "version": _VERSION, **self.network.identity}

    def detect(self, picture: Image.Image) -> list[Face]:
        coarse = [face for side in _sides(max(picture.size)) for face in self._detect_at(picture, side)]
        refined = [self._refined(picture, face) for face in _distinct(coarse)]
        return sorted(_distinct(refined), key=lambda face: area(face.box), reverse=True)

    def _detect_at(self, picture: Image.Image, side: int) -> list[Face]:
        """The faces in the picture resized to this long side."""
        width, height = _scaled(picture.size, side)
        if min(width, height) < _LEAST:
            return []
        scaled = picture.resize((width, height), Image.Resampling.BICUBIC)
        return [
            _stretched(face, picture.width / width, picture.height / height) for face in self.network.detect(scaled)
        ]

    def _refined(self, picture: Image.Image, face: Face) -> Face:
        """The same face with landmarks from a pass over it alone; unchanged if that detects nothing."""
        try:
            matrix = _CROP.matrix(face.landmarks, _CROP_SIZE)
            faces = self.network.detect(_CROP.crop(picture, face.landmarks, _CROP_SIZE))
        except ImageError:
            return face
        centre = np.full(2, _CROP_SIZE / 2)
        faces = [one for one in faces if np.abs(one.landmarks.mean(0) - centre).max() < _CROP_SIZE / 4]
        if not faces:
            return face
        best = max(faces, key=lambda one: one.score)
        landmarks = transform_points(inverted(matrix), best.landmarks).astype(np.float32)
        return replace(face, landmarks=landmarks, score=max(face.score, best.score))


def _sides(long: int) -> tuple[int, ...]:
    return (_SMALL,) if long <= _SMALL else (_SMALL, min(_LARGE, 2 * long))


def _scaled(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Width and height of a picture of this size when its long side is `side`."""
    scale = side / max(size)
    width, height = (max(1, round(length * scale)) for length in size)
    return width, height


def _stretched(face: Face, by_x: float, by_y: float) -> Face:
    x, y, width, height = face.box
    landmarks = face.landmarks * np.array([by_x, by_y], np.float32)
    return Face((x * by_x, y * by_y, width * by_x, height * by_y), landmarks, face.score)


def _distinct(faces: Sequence[Face]) -> list[Face]:
    """Of several detections of one face the one with the highest score."""
    distinct: list[Face] = []
    for face in sorted(faces, key=lambda face: face.score, reverse=True):
        if all(_common(face.box, other.box) < _SAME for other in distinct):
            distinct.append(face)
    return distinct


def _common(a: Box, b: Box) -> float:
    """Intersection over the area of the smaller box."""
    return common_area(a, b) / max(1e-9, min(area(a), area(b)))
