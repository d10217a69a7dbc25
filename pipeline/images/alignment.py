"""From five landmarks to an upright square: one recipe for every face, cached or new.

A similarity (rotation, scale, shift; no shear, no mirror) is fitted by least squares [Umeyama 1991, "Least-squares
estimation of transformation parameters between two point patterns", IEEE TPAMI 13(4), Eq. 40-42] to the five points of
the ArcFace template [Deng et al. 2019, "ArcFace", CVPR; the numbers are those of its public code, InsightFace's
`face_align.py`], which most aligned face sets of the field are made with, or nearly so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import ConfigError, ImageError, MismatchError

__all__ = ["LANDMARK_DECIMALS", "Alignment", "similarity", "transform_points"]

Points = npt.NDArray[np.floating[Any]]
Matrix = npt.NDArray[np.float64]

LANDMARK_DECIMALS = 2  # pixels: what two machines compute of one picture should be one number

_RECIPE, _VERSION = "similarity-arcface", 1
_TEMPLATE_SIZE = 112
_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
_REACH = 3  # pixels around the visible part, for the filters that read neighbours


@dataclass(frozen=True)
class Alignment:
    """How a face becomes a square. Part of a store's key.

    Parameters
    ----------
    margin : in [-0.25, 2], dimensionless
        Share of the template's side that is added on each side. 0 is ArcFace's own crop, from the forehead to the chin;
        with 0.25 the whole head is inside.
    """

    margin: float = 0.0

    def __post_init__(self) -> None:
        if not -0.25 <= self.margin <= 2:
            raise ConfigError(f"margin: expected -0.25 to 2, a share of the template's side, found {self.margin}")

    def as_json(self) -> dict[str, Any]:
        """What enters a key: the recipe's name and version, and its options."""
        return {"recipe": _RECIPE, "version": _VERSION, "margin": self.margin}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Alignment:
        """The alignment that a store or a head was made with; entries that `as_json` does not write are ignored.

        Raises
        ------
        MismatchError
            If this program aligns otherwise.
        ConfigError
            If it is none that `as_json` writes.
        """
        if not isinstance(record, Mapping):
            raise ConfigError(f"alignment: expected an object with recipe, version and margin, found {record!a:.60}")
        made_with = (record.get("recipe"), record.get("version"))
        if made_with != (_RECIPE, _VERSION):
            raise MismatchError(
                f"faces were aligned by {made_with[0]!s:.60} version {made_with[1]!s:.60}, this program aligns by "
                f"{_RECIPE} version {_VERSION}. Use the fer-stage they were made with, or align and extract again"
            )
        margin = record.get("margin")
        if isinstance(margin, bool) or not isinstance(margin, int | float) or not abs(margin) < 100:  # a float holds it
            raise ConfigError(f"margin: expected a number from -0.25 to 2, found {margin!a:.60}")
        return cls(float(margin))

    def matrix(self, landmarks: Points, size: int) -> Matrix:
        """Where a point of the picture lies in the square: shape (2, 3), [x', y'] = matrix @ [x, y, 1].

        Parameters
        ----------
        landmarks : shape (5, 2), as in `Face`
        size : side of the square, pixels

        Raises
        ------
        ImageError
            If the landmarks are not five different points.
        """
        scale = size / (_TEMPLATE_SIZE * (1 + 2 * self.margin))
        return similarity(landmarks, (_TEMPLATE + self.margin * _TEMPLATE_SIZE) * scale)

    def crop(self, picture: Image.Image, landmarks: Points, size: int) -> Image.Image:
        """The face, upright and at its place in the square.

        Parameters
        ----------
        picture : mode RGB
        landmarks : shape (5, 2), as in `Face`
        size : side of the square, pixels

        Returns
        -------
        Image of mode RGB, (size, size)
            Bicubic, and antialiased where it shrinks. Black where the square sticks out of the picture.

        Raises
        ------
        ImageError
            If the landmarks are not five different points, or so far from each other that nothing is left of the face.
        """
        matrix = self.matrix(landmarks, size)
        part, matrix = _reduced(picture, matrix, size)
        inverse = inverted(matrix)
        return part.transform(
            (size, size), Image.Transform.AFFINE, inverse.ravel().tolist(), Image.Resampling.BICUBIC, fillcolor=0
        )


def similarity(source: Points, target: Points) -> Matrix:
    """The rotation, scale and shift that bring `source` nearest to `target`, in the sense of least squares.

    Parameters
    ----------
    source, target : shape (K, 2)

    Returns
    -------
    float64, shape (2, 3)
        target ~ matrix @ [x, y, 1]; never a mirror image.

    Raises
    ------
    ImageError
        If the points of `source` are not finite, or all in one place.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    mean_a, mean_b = a.mean(0), b.mean(0)
    a, b = a - mean_a, b - mean_b
    spread = float((a**2).sum())
    if not np.isfinite(a).all() or spread < 1e-6:
        raise ImageError("face landmarks are not five points")
    # In two dimensions Umeyama's singular values are two sums: the rotation that maximises <b, R a>, and its value.
    along, across = float((a * b).sum()), float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum())
    cos, sin = along / spread, across / spread
    rotation = np.array([[cos, -sin], [sin, cos]])
    return np.hstack([rotation, (mean_b - rotation @ mean_a)[:, None]])


def inverted(matrix: Matrix) -> Matrix:
    """The inverse of an affine map. shape (2, 3) -> (2, 3)"""
    linear = np.linalg.inv(matrix[:, :2])
    return np.hstack([linear, -(linear @ matrix[:, 2])[:, None]])


def transform_points(matrix: Matrix, points: Points) -> npt.NDArray[np.float64]:
    """Points (K, 2) after an affine map (2, 3): shape (K, 2)."""
    moved: npt.NDArray[np.float64] = np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return moved


def _reduced(picture: Image.Image, matrix: Matrix, size: int) -> tuple[Image.Image, Matrix]:
    """The part of the picture that the square shows, at the scale of the square or below, and the matrix from there.

    A warp reads a few neighbours of a point only: of a face reduced to a tenth it would show every tenth pixel.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    left, top, right, bottom = _visible(picture, matrix, size)
    if left >= right or top >= bottom:
        raise ImageError("face lies outside the image")
    if scale >= 1:
        return picture.crop((left, top, right, bottom)), matrix @ _shift(left, top)
    width, height = (max(1, round((stop - start) * scale)) for start, stop in ((left, right), (top, bottom)))
    part = picture.resize((width, height), Image.Resampling.BICUBIC, (left, top, right, bottom))
    grow = np.diag([(right - left) / width, (bottom - top) / height, 1.0])
    return part, matrix @ _shift(left, top) @ grow


def _shift(x: float, y: float) -> Matrix:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def _visible(picture: Image.Image, matrix: Matrix, size: int) -> tuple[int, int, int, int]:
    """The part of the picture that the square and the filters' reach show: left, top, right, bottom."""
    corners = transform_points(inverted(matrix), np.array([[0, 0], [size, 0], [size, size], [0, size]]))
    reach = _REACH * max(1.0, 1 / float(np.hypot(matrix[0, 0], matrix[1, 0])))
    (left, top), (right, bottom) = corners.min(0) - reach, corners.max(0) + reach
    return max(0, floor(left)), max(0, floor(top)), min(picture.width, ceil(right)), min(picture.height, ceil(bottom))
