"""From a decoded picture to the squares of pixels that an encoder takes: the same in every command. No torch.

The picture is cropped by its box, or aligned by its face, then augmented (views above 0), then resized.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import ImageError
from pipeline.images.alignment import LANDMARK_DECIMALS, Alignment
from pipeline.images.preprocess import Preprocess
from pipeline.images.views import ViewRecipe, view_rng

__all__ = ["OUTSIDE_IMAGE", "Box", "ImageTransform", "Squares", "crop"]

Box: TypeAlias = tuple[int, int, int, int]  # x, y, width, height
Pixels: TypeAlias = npt.NDArray[np.uint8]
Squares: TypeAlias = dict[int, Pixels]
"""Side of the square -> uint8, shape (side, side, 3)"""

OUTSIDE_IMAGE = "box lies outside the image"  # reason of a rejected row


@dataclass(frozen=True)
class ImageTransform:
    """What is done to a picture before it is encoded. Safe in threads.

    Parameters
    ----------
    preprocess : of the encoder
    sizes : sides of the squares to make, pixels: the encoder's, and that of `pixels` where they are stored or read
    alignment : of pictures whose face is known
    views, seed : the recipe of the augmentations and its seed
    """

    preprocess: Preprocess
    sizes: tuple[int, ...]
    alignment: Alignment = field(default_factory=Alignment)
    views: ViewRecipe = field(default_factory=ViewRecipe)
    seed: int = 0

    def __call__(self, picture: Image.Image, *, box: Box | None = None, face: npt.ArrayLike | None = None) -> Squares:
        """The squares of the plain picture, view 0.

        Parameters
        ----------
        picture : mode RGB, upright
        box : x, y, width, height of the part that is used, pixels; ignored where there is a face
        face : x, y of five landmarks, shape (5, 2) or (10,), pixels of the whole picture; taken in hundredths

        Raises
        ------
        ImageError
            If the box or the face lies outside the picture, or the landmarks are no face.
        """
        return self.with_views(picture, (0,), box=box, face=face)[0]

    def with_views(
        self,
        picture: Image.Image,
        views: Sequence[int],
        *,
        sha256: str = "",
        box: Box | None = None,
        face: npt.ArrayLike | None = None,
    ) -> list[Squares]:
        """The squares of each of `views`; raises as the plain picture does.

        Parameters
        ----------
        sha256 : of the image file: augmentations are drawn from it, the box and the number of the view
        """
        landmarks = None if face is None else _landmarks(face)
        region = crop(picture, box) if box and landmarks is None else picture
        return [
            self._augmented(region, landmarks, view_rng(self.seed, sha256, box, view))
            if view
            else self._plain(region, landmarks)
            for view in views
        ]

    def _plain(self, region: Image.Image, landmarks: npt.NDArray[np.float64] | None) -> Squares:
        return {
            size: self.preprocess.with_size(size).square(self._aligned(region, landmarks, size)) for size in self.sizes
        }

    def _augmented(
        self, region: Image.Image, landmarks: npt.NDArray[np.float64] | None, rng: np.random.Generator
    ) -> Squares:
        # Of a face at the encoder's size, whatever else is stored: a view must not depend on the other outputs.
        image = self.views.before_resize(np.asarray(self._aligned(region, landmarks, self.preprocess.size)), rng)
        fill = tuple(round(255 * mean) for mean in self.preprocess.mean)
        state = rng.bit_generator.state
        squares = {}
        for size in self.sizes:
            rng.bit_generator.state = state  # the same flip and the same erased share of every square
            squares[size] = self.views.after_resize(self.preprocess.with_size(size)(image), rng, fill)
        return squares

    def _aligned(self, region: Image.Image, landmarks: npt.NDArray[np.float64] | None, size: int) -> Image.Image:
        return region if landmarks is None else self.alignment.crop(region, landmarks, size)


def crop(picture: Image.Image, box: Box) -> Image.Image:
    """The part of `picture` inside `box`; what sticks out of the picture is left off.

    Raises
    ------
    ImageError
        If nothing of the box lies inside, or less than 2 x 2 pixels.
    """
    x, y, width, height = box
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, picture.width), min(y + height, picture.height)
    if left >= right or top >= bottom:
        raise ImageError(OUTSIDE_IMAGE)
    if right - left < 2 or bottom - top < 2:
        raise ImageError("less than 2 x 2 pixels of the box lie inside the image")
    return picture.crop((left, top, right, bottom))


def _landmarks(face: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Five points in hundredths of a pixel, as tables hold them: a face of a detector then gives the same crop.

    Returns
    -------
    float64, shape (5, 2)
    """
    points: npt.NDArray[Any] = np.asarray(face, np.float64).reshape(5, 2)
    return points.round(LANDMARK_DECIMALS)
