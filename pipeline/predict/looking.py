"""From a picture to the faces in it, each as upright squares. Runs in threads: no torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import ImageError
from pipeline.faces import Alignment, Face, FaceDetector
from pipeline.predict.stills import Still

__all__ = ["Looker", "Seen"]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Seen:
    """What was seen in a still: N faces, largest first. It waits for others, so it does not hold the still's picture.

    Parameters
    ----------
    image, frame, seconds : of the still
    reason : why it cannot be read, else empty
    faces : where they are in it
    squares : side -> uint8, shape (N, side, side, 3), upright
    picture : if it is kept
    """

    image: str
    frame: int | None
    seconds: float | None
    reason: str = ""
    faces: tuple[Face, ...] = ()
    squares: Mapping[int, Pixels] = field(default_factory=dict)
    picture: Image.Image | None = None

    @property
    def n_pixels(self) -> int:
        """What it holds in memory, in pixels."""
        whole = self.picture.width * self.picture.height if self.picture else 0
        return whole + sum(squares.size // 3 for squares in self.squares.values())


@dataclass(frozen=True)
class Looker:
    """Finds faces and cuts them out. Safe in threads.

    Parameters
    ----------
    detector, alignment : how
    sizes : sides of the squares
    keep : whether to hand the pictures on
    """

    detector: FaceDetector
    alignment: Alignment
    sizes: Sequence[int]
    keep: bool = False

    def __call__(self, still: Still) -> Seen:
        """Load a picture and look at it; one that cannot be read, or a face that cannot be cut out, has a reason."""
        where = still.image, still.frame, still.seconds
        try:
            picture = still.load()
            faces = tuple(self.detector.detect(picture))
            squares = {size: self._squares(picture, faces, size) for size in self.sizes}
        except ImageError as error:
            return Seen(*where, str(error))
        return Seen(*where, "", faces, squares, picture if self.keep else None)

    def _squares(self, picture: Image.Image, faces: Sequence[Face], size: int) -> Pixels:
        squares = np.empty((len(faces), size, size, 3), np.uint8)
        for square, face in zip(squares, faces, strict=True):
            square[:] = np.asarray(self.alignment.crop(picture, face.landmarks, size))
        return squares
