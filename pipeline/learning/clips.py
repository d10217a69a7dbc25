"""Clips as rows that heads read: T frames of each, pooled to one feature, or kept for networks and temporal heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.sources import Clips
from pipeline.video.sampling import random_of_segments, segment_centres

__all__ = ["CLIP_FRAMES", "FRAMES", "MEANS", "ClipArray", "ClipSampler", "clip_arrays", "stored_output"]

CLIP_FRAMES = 16  # T [CLIPER, Sec. IV-A; Former-DFER]
FRAMES = "frames"  # what temporal heads read: the pooled features of T frames, (T, D)
MEANS = ("pooled", "tokens")  # their mean over the frames is read, of others each frame
_BLOCK_FRAMES = 2**15  # frames whose features are averaged at a time

Array = npt.NDArray[Any]


def stored_output(name: str) -> str:
    """The output of a store that a head's input is made of."""
    return "pooled" if name == FRAMES else name


@dataclass(frozen=True)
class ClipSampler:
    """Which T frames of every clip are read.

    Parameters
    ----------
    clips : Clips
    n_frames : T > 0
    is_random : whether `draw` takes a random frame of each segment; else the centres, as at prediction
    """

    clips: Clips
    n_frames: int
    is_random: bool = False

    @cached_property
    def centres(self) -> npt.NDArray[np.intp]:
        """Rows of the frames at the segments' centres, shape (U, T)."""
        return self._rows(segment_centres(self.clips.n_frames, self.n_frames))

    def draw(self, draws: npt.NDArray[np.floating]) -> npt.NDArray[np.intp]:
        """Rows of one frame of each segment, shape (U, T).

        Parameters
        ----------
        draws : in [0, 1), shape (U, T); of no effect unless `is_random`
        """
        return self._rows(random_of_segments(self.clips.n_frames, draws)) if self.is_random else self.centres

    def _rows(self, positions: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        return np.asarray(self.clips.rows[self.clips.starts[:-1, None] + positions])


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

    def __getitem__(self, units: slice | npt.NDArray[Any]) -> Array:
        """Some clips, their frames those at the centres of the segments."""
        return self.take(self.sampler.centres[units])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype)

    def columns(self, columns: slice) -> ClipArray:
        """Some channels of vectors."""
        return replace(self, frames=self.frames[..., columns])

    def take(self, rows: npt.NDArray[np.intp]) -> Array:
        """Clips of the given rows (B, T): shape (B, *shape)."""
        if not self.is_mean:
            return np.asarray(self.frames[rows])
        means = np.empty((len(rows), *self.frames.shape[1:]), np.float32)
        step = max(1, _BLOCK_FRAMES // rows.shape[1])
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            np.mean(self.frames[rows[block]], axis=1, dtype=np.float32, out=means[block])
        return means


def clip_arrays(stored: Mapping[str, Array], reads: tuple[str, ...], sampler: ClipSampler) -> dict[str, ClipArray]:
    """What a head reads of clips: name -> array.

    Parameters
    ----------
    stored : output of the store -> (N, *row_shape)
    reads : names of `HeadSpec.inputs`
    """
    return {name: ClipArray(name, stored[stored_output(name)], sampler) for name in reads}
