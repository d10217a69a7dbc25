"""From prepared pictures, as many as come, to the batches of one size that an encoder gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.images.prepare import ImageBatch

__all__ = ["Batch", "full_batches"]


@dataclass(frozen=True)
class Batch:
    """M views of images, and M squares of each size or more: what comes after the first M is padding.

    Parameters
    ----------
    rows, views : intp, shape (M,)
    squares : size of square -> uint8, shape (B, size, size, 3), B >= M
    """

    rows: npt.NDArray[np.intp]
    views: npt.NDArray[np.intp]
    squares: dict[int, npt.NDArray[np.uint8]]


def full_batches(prepared: Iterable[ImageBatch], batch_size: int) -> Iterator[Batch]:
    """Batches of `batch_size` views, in order; only the last one is padded."""
    parts: list[Batch] = []
    room = batch_size
    for some in prepared:
        start = 0
        while start < len(some.rows):
            parts.append(_part(some, slice(start, start + room)))
            start += len(parts[-1].rows)
            room -= len(parts[-1].rows)
            if room == 0:
                yield _joined(parts, 0)
                parts, room = [], batch_size
    if parts:
        yield _joined(parts, room)


def _part(some: ImageBatch, at: slice) -> Batch:
    return Batch(some.rows[at], some.views[at], {size: made[at] for size, made in some.squares.items()})


def _joined(parts: Sequence[Batch], padding: int) -> Batch:
    """The parts as one batch, with its last square repeated `padding` times. Copies every square once at most."""
    if len(parts) == 1 and not padding:
        return parts[0]
    return Batch(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.views for part in parts]),
        {
            size: np.concatenate([*(part.squares[size] for part in parts), np.repeat(last[-1:], padding, axis=0)])
            for size, last in parts[-1].squares.items()
        },
    )
