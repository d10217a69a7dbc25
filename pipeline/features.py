"""The features of a store for torch, and the protocols of what it is read from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.errors import ConfigError
from pipeline.sources import Clips, ClipSource, FeatureSource, SoftLabelSource
from pipeline.tables.labels import label_codes

__all__ = ["ClipSource", "Clips", "FeatureDataset", "FeatureSource", "SoftLabelSource"]


class FeatureDataset(Dataset[tuple[Tensor, Tensor]]):
    """One split of a source for torch's DataLoader: items are (feature float32 (*row_shape), label int64 ()).

    Features are read with the first item and are not pickled, so workers may be forked or spawned; every spawned worker
    reads its own. Features in RAM are served fastest by `num_workers=0`.

    Parameters
    ----------
    source : where the features are; of a dataset of clips the store itself, whose rows are frames
    split : train, val or test
    output : what is stored of an image, e.g. `pooled`, `tokens`, `pixels` (0 to 255)
    view : its number, or `all`: every view of a row of the train split is an item of its own, view after view

    Notes
    -----
    Labels are positions in `source.classes`, those of a frame those of its clip. Items are read again each time: only
    the batch is held as float32.
    """

    def __init__(
        self, source: FeatureSource, split: str, output: str = "pooled", view: int | Literal["all"] = 0
    ) -> None:
        if isinstance(source, ClipSource):
            raise ConfigError(
                "FeatureDataset: expected a source of rows, found one of clips. Pass the store: its rows are frames"
            )
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
