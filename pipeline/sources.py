"""What training and evaluation need from any store, as plain data: images or clips. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

__all__ = ["ClipSource", "Clips", "FeatureSource", "SoftLabelSource"]


@dataclass(frozen=True)
class Clips:
    """Which rows of a split are the usable frames of each of U clips.

    Parameters
    ----------
    rows : intp, shape (N,): positions of the split's usable rows, clip by clip, the frames of each in order of time
    starts : intp, shape (U + 1,): the frames of clip u are rows[starts[u]:starts[u + 1]], one or more
    """

    rows: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def n_frames(self) -> npt.NDArray[np.intp]:
        """Frames of each clip, shape (U,), each 1 or more."""
        return np.diff(self.starts)

    @classmethod
    def of_images(cls, n: int) -> Clips:
        """N rows as clips of one frame each."""
        return cls(np.arange(n), np.arange(n + 1))

    @classmethod
    def of_sizes(cls, rows: npt.NDArray[np.intp], n_frames: npt.NDArray[np.integer]) -> Clips:
        """The clips whose rows follow each other, from the number of frames of each."""
        return cls(rows, np.concatenate([[0], np.cumsum(n_frames)]).astype(np.intp))

    @property
    def first(self) -> npt.NDArray[np.intp]:
        """The row of the first frame of each clip, shape (U,)."""
        return self.rows[self.starts[:-1]]

    def take(self, units: npt.NDArray[np.integer]) -> Clips:
        """Some of the clips, in the order of `units`."""
        parts = [self.rows[self.starts[u] : self.starts[u + 1]] for u in units]
        return Clips.of_sizes(np.concatenate([np.empty(0, np.intp), *parts]), self.n_frames[units])


class FeatureSource(Protocol):
    """The features of one dataset under one encoder. A store satisfies it without naming it.

    Rejected rows are never returned; `rejected` counts them. Every read names one split and touches no other.
    N rows are N units: what is predicted and scored is the image of a row. See `ClipSource` for clips.
    """

    @property
    def dataset(self) -> str: ...

    @property
    def key(self) -> str:
        """Digest of everything that changes a feature."""

    @property
    def encoder(self) -> Mapping[str, Any]:
        """The encoder's identity, as plain JSON data; equal for two sources exactly if the features are comparable."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The expressions that this dataset may hold, in canonical order."""

    def row_shape(self, output: str = "pooled") -> tuple[int, ...]:
        """Shape of a row of `output`, e.g. (D,). If it is not stored, an error names the command that makes it."""

    def labels(self, split: str) -> npt.NDArray[np.str_]:
        """Canonical expressions of the split's usable rows, shape (N,)."""

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        """Sample ids of the split's usable rows, shape (N,)."""

    def features(self, split: str, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        """Raw features of the split's usable rows in table order: shape (N, D), float16 or float32 as stored.

        In RAM, or memory-mapped and read-only if they are too many for it.
        """

    def n_views(self) -> int:
        """V: view 0 is plain, views 1..V-1 are augmentations of the train split."""

    def rejected(self, split: str) -> int:
        """How many rows of the split are masked because their image could not be used."""


@runtime_checkable
class ClipSource(Protocol):
    """A `FeatureSource` whose units are clips: labels, ids and counts are of clips, features are of frames.

    `labels` and `ids` are of shape (U,), `features` of shape (N, *row_shape), and `rejected` counts clips of which no
    frame is usable.
    """

    def clips(self, split: str) -> Clips:
        """The frames of each clip of the split, in the order of `labels`."""

    def rejected_frames(self, split: str) -> int:
        """How many frames of the other clips are masked because they could not be decoded."""


@runtime_checkable
class SoftLabelSource(Protocol):
    """A source whose rows may have a distribution over its classes."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    def ids(self, split: str) -> npt.NDArray[np.str_]: ...

    def distributions(self, split: str) -> npt.NDArray[np.float64]:
        """The share of each class in the split's usable rows, shape (N, C); NaN in a row that has none."""
