"""A ClipSource in memory, for tests of heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from memory_source import MemorySource, separable_source

from pipeline.learning.clips import stored_output
from pipeline.methods import config_class
from pipeline.sources import Clips

__all__ = ["MemoryClips", "clips_of_frames", "source_for"]


@dataclass
class MemoryClips(MemorySource):
    """A `MemorySource` whose labels are those of clips, and whose features are those of their frames, clip by clip.

    `starts` holds the first frame of each clip, and the number of frames, split -> (U + 1,); of other splits each clip
    has one frame.
    """

    starts: Mapping[str, npt.NDArray[np.intp]] = field(default_factory=dict)

    def clips(self, split: str) -> Clips:
        starts = self.starts.get(split, np.arange(len(self.labels(split)) + 1))
        return Clips(np.arange(starts[-1]), starts)

    def rejected_frames(self, split: str) -> int:
        return 0


def clips_of_frames(
    frames: npt.NDArray[np.float32], labels: npt.NDArray[np.str_], splits: tuple[str, ...] = ("train", "val")
) -> MemoryClips:
    """The same clips in each split.

    Parameters
    ----------
    frames : shape (U, F, D), F frames of each of U clips
    labels : shape (U,)
    """
    images = separable_source()
    n_clips, n_frames, width = frames.shape
    return MemoryClips(
        {split: (frames.reshape(1, n_clips * n_frames, width), labels) for split in splits},
        encoder=images.encoder,
        classes=tuple(name for name in images.classes if name in labels),
        starts=dict.fromkeys(splits, np.arange(n_clips + 1) * n_frames),
    )


def source_for(method: str, *args: Any, **changes: Any) -> MemorySource:
    """`separable_source` with what the method reads: each image is a clip of one frame where it reads frames."""
    source = separable_source(*args, **changes)
    reads = config_class(method)().reads
    return source if reads == tuple(map(stored_output, reads)) else MemoryClips(**vars(source))
