"""What a detector finds, and what every detector promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.images.alignment import LANDMARK_DECIMALS

__all__ = ["Box", "Face", "FaceDetector", "Landmarks", "area", "common_area"]

Box = tuple[float, float, float, float]
Landmarks = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Face:
    """One face in a picture. A pixel (column i, row j) covers x in [i, i + 1] and y in [j, j + 1].

    Parameters
    ----------
    box : x, y, width, height, pixels of the upright picture; may stick out of it
    landmarks : float32, shape (5, 2)
        x, y in pixels: the eye on the left of an upright face's image, the one on its right, the tip of the nose, the
        left and the right corner of the mouth. In an upside-down face the first eye is on the right.
    score : in [0, 1], of the detector
    """

    box: Box
    landmarks: Landmarks
    score: float

    def rounded(self) -> Self:
        """With landmarks in hundredths of a pixel, as face tables and stores hold them."""
        return replace(self, landmarks=self.landmarks.round(LANDMARK_DECIMALS))


class FaceDetector(Protocol):
    """Finds faces. Safe in threads.

    Attributes
    ----------
    identity : plain JSON: whatever may change what is detected
    """

    @property
    def identity(self) -> Mapping[str, Any]: ...

    def detect(self, picture: Image.Image) -> list[Face]:
        """The faces in a picture of mode RGB, the largest first; empty if there are none."""
        ...


def area(box: Box) -> float:
    """Square pixels of a box."""
    return box[2] * box[3]


def common_area(a: Box, b: Box) -> float:
    """Square pixels that two boxes share."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)
