"""Read, check, decode, transform: rows of a sample table -> squares of pixels. Runs in decode threads: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.errors import ImageError
from pipeline.images.decode import decode_picture
from pipeline.images.reading import ImageRow, ImageSource, read_image
from pipeline.images.transform import ImageTransform, Squares
from pipeline.timings import Timings

__all__ = ["ImageBatch", "Preparer"]


@dataclass(frozen=True)
class ImageBatch:
    """M views of some images, in the order of their rows, and B >= M squares: those after the first M are padding.

    Parameters
    ----------
    rows, views : intp, shape (M,)
    squares : size of square -> uint8, shape (B, size, size, 3)
    rejected : row -> why its image cannot be used; empty in the batches that an encoder takes
    """

    rows: npt.NDArray[np.intp]
    views: npt.NDArray[np.intp]
    squares: dict[int, npt.NDArray[np.uint8]]
    rejected: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Preparer:
    """Brings the images of a root to what an encoder takes. Safe in threads.

    Parameters
    ----------
    root : where the images are
    transform : what is done to each picture
    """

    root: ImageSource
    transform: ImageTransform

    def __call__(self, images: Sequence[ImageRow], timings: Timings | None = None) -> ImageBatch:
        """All views of the images.

        Parameters
        ----------
        timings : gets the seconds of `read`, `decode` and `resize`

        Raises
        ------
        ChangedImageError
            If a file is gone or changed since it was indexed.
        """
        timings = timings or Timings()
        done: list[tuple[int, int, Squares]] = []
        rejected: dict[int, str] = {}
        for image in images:
            try:
                views = self._views(image, timings)
            except ImageError as error:
                rejected[image.row] = str(error)
            else:
                done += [(image.row, view, squares) for view, squares in zip(image.views, views, strict=True)]
        squares = {
            size: np.stack([squares[size] for *_, squares in done]) if done else np.empty((0, size, size, 3), np.uint8)
            for size in self.transform.sizes
        }
        rows, numbers = (np.array([item[i] for item in done], np.intp) for i in (0, 1))
        return ImageBatch(rows, numbers, squares, rejected)

    def _views(self, image: ImageRow, timings: Timings) -> list[Squares]:
        with timings.measure("read"):
            data = read_image(self.root, image)
        with timings.measure("decode"):
            picture = decode_picture(data)
        with timings.measure("resize"):
            return self.transform.with_views(picture, image.views, sha256=image.sha256, box=image.box, face=image.face)
