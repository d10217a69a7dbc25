"""Which frames of clips are read, and what heads read of them. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.sources import Clips
from pipeline.video.sampling import random_of_segments, segment_centres

__all__ = ["CLIP_FRAMES", "FRAMES", "MEANS", "ClipSampler", "stored_output"]

CLIP_FRAMES = 16  # T [CLIPER, Sec. IV-A; Former-DFER]
FRAMES = "frames"  # what temporal heads read: the pooled features of T frames, (T, D)
MEANS = ("pooled", "tokens")  # their mean over the frames is read, of others each frame


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
    is_random : whether training draws a frame of each segment; else it reads the centres, as prediction does
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
        draws : in [0, 1), shape (U, T)
        """
        return self._rows(random_of_segments(self.clips.n_frames, draws))

    def _rows(self, positions: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        return np.asarray(self.clips.rows[self.clips.starts[:-1, None] + positions])
