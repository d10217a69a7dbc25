"""From prepared images, as many as come, to the batches of one size that an encoder takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.images.prepare import ImageBatch

__all__ = ["full_batches"]


def full_batches(prepared: Iterable[ImageBatch], batch_size: int) -> Iterator[ImageBatch]:
    """Batches of `batch_size` views, in order; only the last one is padded. Rejected images are left out."""
    parts: list[ImageBatch] = []
    room = batch_size
    for batch in prepared:
        start = 0
        while start < len(batch.rows):
            parts.append(_part(batch, slice(start, start + room)))
            start += len(parts[-1].rows)
            room -= len(parts[-1].rows)
            if room == 0:
                yield _joined(parts, 0)
                parts, room = [], batch_size
    if parts:
        yield _joined(parts, room)


def _part(batch: ImageBatch, at: slice) -> ImageBatch:
    return ImageBatch(batch.rows[at], batch.views[at], {size: squares[at] for size, squares in batch.squares.items()})


def _joined(parts: Sequence[ImageBatch], padding: int) -> ImageBatch:
    """The parts as one batch, with its last square repeated `padding` times. Copies every square once at most."""
    if len(parts) == 1 and not padding:
        return parts[0]
    return ImageBatch(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.views for part in parts]),
        {
            size: np.concatenate([*(part.squares[size] for part in parts), np.repeat(last[-1:], padding, axis=0)])
            for size, last in parts[-1].squares.items()
        },
    )
