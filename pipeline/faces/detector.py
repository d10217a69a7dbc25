"""How a picture is searched for faces: first for where they are, then each from near, upright and at one size.

The network finds faces of some 20 to 300 pixels, and places landmarks best on large upright ones. So a picture is first
looked at small (and, if it is large, once more in detail, for the small faces in it); then every face is cut out,
turned upright, brought to one size and looked at again, which gives the landmarks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from pipeline.errors import ImageError
from pipeline.faces.face import Box, Face, FaceDetector, area, common_area
from pipeline.faces.turning import Turning
from pipeline.faces.yunet import YuNet
from pipeline.images.alignment import Alignment, inverted, through

__all__ = ["load_detector"]

_VERSION = 1  # of the recipe below: another one finds other landmarks
_THRESHOLD, _OVERLAP = 0.6, 0.3
_LEAST = 10  # pixels: no network finds a smaller face, and of strips this one makes faces
_SMALL, _LARGE = 256, 1600  # long side of the first and the second look, pixels
_NEAR, _NEAR_SIZE = Alignment(margin=0.0), 256  # the look from near: a face is then about 180 pixels wide
_SAME = 0.5  # share of the smaller box that two sightings of one face have in common


def load_detector(*, turn: bool = True) -> FaceDetector:
    """The detector of all commands; takes some milliseconds and no network.

    Parameters
    ----------
    turn : whether pictures may lie on their side: see `Turning`; three more looks at those without a sure face

    Raises
    ------
    EncoderError
        If its weights are missing or damaged.
    """
    upright = _Searching(YuNet.load(_THRESHOLD, _OVERLAP))
    return Turning(upright) if turn else upright


@dataclass(frozen=True)
class _Searching:
    """Our recipe around the network."""

    network: YuNet

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"recipe": "twice", "version": _VERSION, **self.network.identity}

    def detect(self, picture: Image.Image) -> list[Face]:
        seen = [face for side in _sides(max(picture.size)) for face in self._look(picture, side)]
        near = [self._near(picture, face) for face in _distinct(seen)]
        return sorted(_distinct(near), key=lambda face: area(face.box), reverse=True)

    def _look(self, picture: Image.Image, side: int) -> list[Face]:
        """The faces in the picture brought to this long side."""
        scale = side / max(picture.size)
        width, height = (max(1, round(length * scale)) for length in picture.size)
        if min(width, height) < _LEAST:
            return []
        scaled = picture.resize((width, height), Image.Resampling.BICUBIC)
        return [_stretched(face, picture.width / width, picture.height / height) for face in self.network.look(scaled)]

    def _near(self, picture: Image.Image, face: Face) -> Face:
        """The same face with landmarks from a look at it alone; as it was if that shows nothing."""
        try:
            matrix = _NEAR.matrix(face.landmarks, _NEAR_SIZE)
            found = self.network.look(_NEAR.crop(picture, face.landmarks, _NEAR_SIZE))
        except ImageError:
            return face
        centre = np.full(2, _NEAR_SIZE / 2)
        found = [one for one in found if np.abs(one.landmarks.mean(0) - centre).max() < _NEAR_SIZE / 4]
        if not found:
            return face
        best = max(found, key=lambda one: one.score)
        landmarks = through(inverted(matrix), best.landmarks).astype(np.float32)
        return replace(face, landmarks=landmarks, score=max(face.score, best.score))


def _sides(long: int) -> tuple[int, ...]:
    return (_SMALL,) if long <= _SMALL else (_SMALL, min(_LARGE, 2 * long))


def _stretched(face: Face, by_x: float, by_y: float) -> Face:
    x, y, width, height = face.box
    landmarks = face.landmarks * np.array([by_x, by_y], np.float32)
    return Face((x * by_x, y * by_y, width * by_x, height * by_y), landmarks, face.score)


def _distinct(faces: Sequence[Face]) -> list[Face]:
    """Of several sightings of one face the one with the highest score."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: face.score, reverse=True):
        if all(_common(face.box, other.box) < _SAME for other in kept):
            kept.append(face)
    return kept


def _common(a: Box, b: Box) -> float:
    """Intersection over the area of the smaller box."""
    return common_area(a, b) / max(1e-9, min(area(a), area(b)))
