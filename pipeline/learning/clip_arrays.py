"""Clips as rows that heads read: T frames of each, pooled to one feature, or kept for networks and temporal heads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.learning.clips import FRAMES, MEANS, ClipSampler, stored_output

__all__ = ["ClipArray", "clip_arrays"]

_BLOCK_BYTES = 2**22  # of frames as float32 that are averaged at a time: they stay in a cache
_KEPT_BYTES = 2**28  # of means, for which that of every clip is computed once

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ClipArray:
    """An output of U clips, which are gathered when they are read: an array of shape (U, *shape) as far as heads know.

    Parameters
    ----------
    name : what the head reads: `pooled` and `tokens` are means over the T frames, float32; `frames`, `pixels` and
        `block-K` are (T, *row_shape), as stored
    frames : as stored, shape (N, *row_shape)
    sampler : which frames
    """

    name: str
    frames: Array
    sampler: ClipSampler

    def __len__(self) -> int:
        return len(self.sampler.clips)

    @property
    def shape(self) -> tuple[int, ...]:
        row = self.frames.shape[1:]
        return (len(self), *(row if self.is_mean else (self.sampler.n_frames, *row)))

    @property
    def row_shape(self) -> tuple[int, ...]:
        """As `HeadSpec.inputs` has it: of `pixels` and `block-K` that of a frame, which networks take one by one."""
        row = tuple(self.frames.shape[1:])
        return (self.sampler.n_frames, *row) if self.name == FRAMES else row

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32) if self.is_mean else self.frames.dtype

    @property
    def is_mean(self) -> bool:
        """Whether the frames are averaged here, before a head reads them [CLIPER: v = mean of frame embeddings]."""
        return self.name in MEANS

    @property
    def _keeps_means(self) -> bool:
        return self.is_mean and 4 * math.prod(self.shape) <= _KEPT_BYTES

    def __getitem__(self, units: slice | npt.NDArray[Any]) -> Array:
        """Some clips, their frames those at the centres of the segments."""
        if self._keeps_means:
            return self._centre_means[units]
        return self.take(self.sampler.centres[units])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self[:], dtype)  # what is kept is not to be changed

    @cached_property
    def _centre_means(self) -> Array:
        """All clips as they are predicted: read in each epoch."""
        means = self.take(self.sampler.centres)
        means.flags.writeable = False
        return means

    def columns(self, columns: slice) -> Array:
        """Some channels of vectors, of all clips, or of all their frames: shape (U, K), or (U * T, K)."""
        chosen = self[:][:, columns] if self._keeps_means else replace(self, frames=self.frames[..., columns])[:]
        return np.ascontiguousarray(chosen.reshape(-1, chosen.shape[-1]))

    def take(self, rows: npt.NDArray[np.intp]) -> Array:
        """Clips of the given rows (B, T): shape (B, *shape)."""
        if not self.is_mean:
            return np.asarray(self.frames[rows])
        means = torch.empty((len(rows), *self.frames.shape[1:]))
        n_frames, frame_bytes = rows.shape[1], 4 * math.prod(self.frames.shape[1:])
        step = max(1, _BLOCK_BYTES // (n_frames * frame_bytes))
        for start in range(0, len(rows), step):
            block = rows[start : start + step]
            frames = torch.from_numpy(np.take(self.frames, block.flatten(), axis=0)).float()
            torch.sum(frames.view(*block.shape, *frames.shape[1:]), dim=1, out=means[start : start + step])
        return means.div_(n_frames).numpy()


def clip_arrays(stored: Mapping[str, Array], reads: tuple[str, ...], sampler: ClipSampler) -> dict[str, ClipArray]:
    """What a head reads of clips: name -> array.

    Parameters
    ----------
    stored : output of the store -> (N, *row_shape)
    reads : names of `HeadSpec.inputs`
    """
    return {name: ClipArray(name, stored[stored_output(name)], sampler) for name in reads}
