"""FeatureSource: what training and evaluation need from any store, as plain data. FeatureDataset: for torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.tables.labels import label_codes

__all__ = ["ClipSource", "Clips", "FeatureDataset", "FeatureSource", "SoftLabelSource"]


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

    def take(self, units: npt.NDArray[np.integer]) -> Clips:
        """Some of the clips, in the order of `units`."""
        parts = [self.rows[self.starts[u] : self.starts[u + 1]] for u in units]
        sizes = np.array([len(part) for part in parts], np.intp)
        rows = np.concatenate([np.empty(0, np.intp), *parts])
        return Clips(rows, np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp))


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


class FeatureDataset(Dataset[tuple[Tensor, Tensor]]):
    """One split of a source for torch's DataLoader: items are (feature float32 (*row_shape), label int64 ()).

    Features are read with the first item and are not pickled, so workers may be forked or spawned; every spawned worker
    reads its own. Features in RAM are served fastest by `num_workers=0`.

    Parameters
    ----------
    source : where the features are
    split : train, val or test
    output : what is stored of an image, e.g. `pooled`, `tokens`, `pixels` (0 to 255)
    view : its number, or `all`: every view of a row of the train split is an item of its own, view after view

    Notes
    -----
    Labels are positions in `source.classes`. Items are read again each time: only the batch is held as float32.
    """

    def __init__(
        self, source: FeatureSource, split: str, output: str = "pooled", view: int | Literal["all"] = 0
    ) -> None:
        self.source, self.split, self.output, self.view = source, split, output, view

    def __len__(self) -> int:
        return len(self.labels) * len(self._views)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.source.dataset} {self.split} has {len(self)} items, not one at {index}")
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Many items at once: what a DataLoader calls."""
        views, rows = np.divmod(np.asarray(indices, np.intp), len(self.labels))
        features = np.empty((len(rows), *self._arrays[0].shape[1:]), np.float32)
        for view in np.unique(views):
            features[views == view] = self._arrays[view][rows[views == view]]
        return list(zip(torch.from_numpy(features), self.labels[rows], strict=True))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_arrays", "labels")}

    @cached_property
    def labels(self) -> Tensor:
        """int64 in [0, C), shape (N,): of the split's rows, once however many views there are."""
        return torch.tensor(label_codes(self.source.labels(self.split).tolist(), self.source.classes))

    @property
    def _views(self) -> range:
        if self.view != "all":
            return range(self.view, self.view + 1)
        return range(self.source.n_views() if self.split == "train" else 1)

    @cached_property
    def _arrays(self) -> list[npt.NDArray[Any]]:
        return [self.source.features(self.split, self.output, view) for view in self._views]
