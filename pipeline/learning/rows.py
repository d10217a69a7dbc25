"""The rows of a split as training reads them, images or clips: which view and frames in each epoch, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.learning.clip_arrays import ClipArray
from pipeline.learning.clips import ClipSampler
from pipeline.learning.head import as_input

__all__ = ["Array", "Rows", "TrainingData"]

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """One split.

    Parameters
    ----------
    arrays : output -> one array (N, *row_shape) per view, as stored: float16, float32 or uint8; of clips `ClipArray`
    labels : int64 in [0, C), shape (N,)
    ids : str, shape (N,): what the dataset calls its images, or its clips
    soft_labels : float32, shape (N, C): the share of each class, where a method learns from it
    sampler : of clips, whose frames are chosen again in each epoch; None of images
    """

    arrays: Mapping[str, tuple[Array | ClipArray, ...]]
    labels: Tensor
    ids: npt.NDArray[np.str_]
    soft_labels: Tensor | None = None
    sampler: ClipSampler | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_views(self) -> int:
        return len(next(iter(self.arrays.values())))

    @property
    def plain(self) -> dict[str, Array | ClipArray]:
        """Output -> (N, *row_shape) of view 0: what a head predicts from, of clips the centres of their segments."""
        return {name: views[0] for name, views in self.arrays.items()}

    def shape(self, output: str = "pooled") -> tuple[int, ...]:
        """Shape of a row of `output`, as `HeadSpec.inputs` has it."""
        array = self.arrays[output][0]
        return array.row_shape if isinstance(array, ClipArray) else tuple(array.shape[1:])

    @property
    def row_bytes(self) -> int:
        """What a row of all outputs takes as a head reads it."""
        first = [as_input(views[0][:1]) for views in self.arrays.values()]
        return sum(values.element_size() * values.numel() for values in first)

    def features(self, output: str = "pooled") -> Tensor:
        """All rows of all views, one view after another: float32 (V * N, *row_shape). Not to be changed."""
        views = self.arrays[output]
        return as_input(views[0][:]) if len(views) == 1 else torch.cat([as_input(array[:]) for array in views])

    def column_blocks(self, output: str = "pooled", n_columns: int = 32) -> Iterator[tuple[slice, Tensor]]:
        """The same of vectors, some columns at once, and which: float32 (V * N, n_columns); of frames, N * T rows."""
        views = self.arrays[output]
        for start in range(0, self.shape(output)[-1], n_columns):
            columns = slice(start, start + n_columns)
            yield columns, torch.cat([as_input(_columns(array, columns)) for array in views])

    def draw(self, rng: torch.Generator) -> Tensor:
        """What is read of every row in an epoch: its view, and the T frames that are drawn of a clip: int64 (N, 1 + T).

        Nothing is drawn of images, and of clips whose centres are read: int64 (N, 1).
        """
        n = len(self)
        views = torch.randint(self.n_views, (n,), generator=rng) if self.n_views > 1 else torch.zeros(n).long()
        if self.sampler is None or not self.sampler.is_random:
            return views[:, None]
        draws = torch.rand((n, self.sampler.n_frames), generator=rng, dtype=torch.float64)
        return torch.cat([views[:, None], torch.from_numpy(self.sampler.draw(draws.numpy()))], dim=1)

    def take(self, rows: Tensor, drawn: Tensor) -> dict[str, Tensor]:
        """Output -> the chosen rows, each as drawn for it: (B, *row_shape), features float32, pixels uint8.

        Parameters
        ----------
        rows : int64 in [0, N), shape (B,)
        drawn : rows of `draw`, int64 (B, K)
        """
        chosen, views, frames = rows.numpy(), drawn[:, 0].numpy(), drawn[:, 1:].numpy()
        return {name: as_input(_gather(arrays, chosen, views, frames)) for name, arrays in self.arrays.items()}


@dataclass(frozen=True)
class TrainingData:
    """The two splits that training may read; `val` has the plain view only."""

    train: Rows
    val: Rows


def _gather(arrays: tuple[Array | ClipArray, ...], rows: Numbers, views: Numbers, frames: Numbers) -> Array:
    if len(arrays) == 1:
        return _taken(arrays[0], rows, frames)
    gathered = np.empty((len(rows), *arrays[0].shape[1:]), arrays[0].dtype)
    for view in np.unique(views):
        chosen = views == view
        gathered[chosen] = _taken(arrays[view], rows[chosen], frames[chosen])
    return gathered


def _taken(array: Array | ClipArray, rows: Numbers, frames: Numbers) -> Array:
    return array.take(frames) if isinstance(array, ClipArray) and frames.shape[1] else np.asarray(array[rows])


def _columns(array: Array | ClipArray, columns: slice) -> Array:
    return array.columns(columns) if isinstance(array, ClipArray) else np.ascontiguousarray(array[:, columns])
