"""Read, check, decode, crop or align, augment, resize: files -> squares of pixels. Runs in decode threads: no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import ChangedImageError, ImageError
from pipeline.images.alignment import Alignment
from pipeline.images.decode import crop, decode_picture
from pipeline.images.preprocess import Preprocess
from pipeline.images.views import ViewRecipe, view_rng
from pipeline.timings import Timings

__all__ = ["ImageSource", "Job", "Prepared", "Preparer", "read_image"]

Pixels = npt.NDArray[np.uint8]


class ImageSource(Protocol):
    """What images are read from; every root of `pipeline.datasets.roots` is one."""

    def read(self, name: str, /) -> bytes:
        """The bytes of the file that the sample table calls `name`.

        Raises
        ------
        ImageError
            If there is no such file, or it cannot be read.
        """


@dataclass(frozen=True, slots=True)
class Job:
    """One image to prepare: its row in the table, where it is, and which views of it are wanted.

    With `face` (x, y of five landmarks, pixels of the whole picture) it is aligned, and `box` is not looked at.
    """

    row: int
    path: str
    sha256: str
    box: tuple[int, int, int, int] | None = None
    views: tuple[int, ...] = (0,)
    face: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Prepared:
    """M views of some images, in the order of the jobs.

    Parameters
    ----------
    rows, views : intp, shape (M,)
    squares : size of square -> uint8, shape (M, size, size, 3)
    rejected : row -> why its image cannot be used
    """

    rows: npt.NDArray[np.intp]
    views: npt.NDArray[np.intp]
    squares: dict[int, Pixels]
    rejected: dict[int, str]


@dataclass(frozen=True)
class Preparer:
    """What is done to every image. Safe in threads.

    Parameters
    ----------
    root : where the images are
    preprocess : of the encoder
    sizes : sides of the squares to make: the encoder's, and that of the `pixels` output if it is kept
    views, seed : the augmentation recipe and its seed
    alignment : of the jobs that have a face
    """

    root: ImageSource
    preprocess: Preprocess
    sizes: tuple[int, ...]
    views: ViewRecipe
    seed: int
    alignment: Alignment = field(default_factory=Alignment)

    def __call__(self, jobs: Sequence[Job], timings: Timings | None = None) -> Prepared:
        """All wanted views of the jobs' images.

        Parameters
        ----------
        timings : gets the seconds of `read`, `decode` and `resize`

        Raises
        ------
        ChangedImageError
            If a file is gone or changed since it was indexed.
        """
        timings = timings or Timings()
        preprocesses = [self.preprocess.with_size(size) for size in self.sizes]
        done: list[tuple[int, int, list[Pixels]]] = []
        rejected: dict[int, str] = {}
        for job in jobs:
            with timings.measure("read"):
                data = read_image(self.root, job)
            try:
                with timings.measure("decode"):
                    picture = decode_picture(data)
                with timings.measure("resize"):
                    picture = crop(picture, job.box) if job.box and not job.face else picture
                    done += [(job.row, view, self._squares(picture, job, view, preprocesses)) for view in job.views]
            except ImageError as error:
                rejected[job.row] = str(error)
        squares = {
            size: np.stack([made[i] for *_, made in done]) if done else np.empty((0, size, size, 3), np.uint8)
            for i, size in enumerate(self.sizes)
        }
        rows, views = (np.array([item[i] for item in done], np.intp) for i in (0, 1))
        return Prepared(rows, views, squares, rejected)

    def _squares(self, picture: Image.Image, job: Job, view: int, preprocesses: Sequence[Preprocess]) -> list[Pixels]:
        if view == 0:
            return [preprocess.square(self._shown(picture, job, preprocess.size)) for preprocess in preprocesses]
        rng = view_rng(self.seed, job.sha256, job.box, view)
        # Of a face at the encoder's size, whatever else is kept: a view must not depend on the other outputs.
        image = self.views.before_resize(np.asarray(self._shown(picture, job, self.preprocess.size)), rng)
        fill = tuple(round(255 * mean) for mean in self.preprocess.mean)
        state = rng.bit_generator.state
        made = []
        for preprocess in preprocesses:
            rng.bit_generator.state = state  # the same flip and the same erased share of every square
            made.append(self.views.after_resize(preprocess(image), rng, fill))
        return made

    def _shown(self, picture: Image.Image, job: Job, size: int) -> Image.Image:
        """What the encoder sees of a picture, before it is resized: all of it, or its face at the wanted size."""
        if job.face is None:
            return picture
        return self.alignment.crop(picture, np.reshape(job.face, (5, 2)), size)


def read_image(root: ImageSource, job: Job) -> bytes:
    """The file's bytes. A file that is not the one in the table is no bad image but another dataset.

    Raises
    ------
    ChangedImageError
        If the file is gone or changed since it was indexed. The message ends with what to do, without the command.
    """
    try:
        data = root.read(job.path)
    except ImageError as error:
        raise ChangedImageError(
            f"{job.path} was there when it was indexed, now: {error}. Index the dataset again"
        ) from error
    if hashlib.sha256(data).hexdigest() != job.sha256:
        raise ChangedImageError(f"{job.path} is not the file that was indexed (row {job.row}). Index the dataset again")
    return data
