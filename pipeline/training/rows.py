"""A split in RAM (or memory-mapped): what a store keeps of its images, view by view, and their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.models.head import as_input

__all__ = ["Rows", "TrainingData"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Rows:
    """One split.

    Parameters
    ----------
    arrays : output -> one array (N, *row_shape) per view, as stored: float16, float32 or uint8
    labels : int64 in [0, C), shape (N,)
    ids : str, shape (N,): what the dataset calls its images
    """

    arrays: Mapping[str, tuple[Array, ...]]
    labels: Tensor
    ids: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_views(self) -> int:
        return len(next(iter(self.arrays.values())))

    @property
    def plain(self) -> dict[str, Array]:
        """Output -> (N, *row_shape) of view 0: what a head predicts from."""
        return {name: views[0] for name, views in self.arrays.items()}

    def shape(self, output: str = "pooled") -> tuple[int, ...]:
        """Shape of a row of `output`."""
        return tuple(self.arrays[output][0].shape[1:])

    def features(self, output: str = "pooled") -> Tensor:
        """All rows of all views, one view after another: float32 (V * N, *row_shape)."""
        return torch.cat([as_input(array) for array in self.arrays[output]])

    def take(self, rows: Tensor, views: Tensor) -> dict[str, Tensor]:
        """Output -> the chosen rows, each in its chosen view: (B, *row_shape), features float32, pixels uint8.

        Parameters
        ----------
        rows : int64 in [0, N), shape (B,)
        views : int64 in [0, V), shape (B,)
        """
        return {name: as_input(_gather(arrays, rows.numpy(), views.numpy())) for name, arrays in self.arrays.items()}


@dataclass(frozen=True)
class TrainingData:
    """The two splits that training may read; `val` has the plain view only."""

    train: Rows
    val: Rows


def _gather(arrays: tuple[Array, ...], rows: npt.NDArray[np.int64], views: npt.NDArray[np.int64]) -> Array:
    if len(arrays) == 1:
        return arrays[0][rows]
    gathered = np.empty((len(rows), *arrays[0].shape[1:]), arrays[0].dtype)
    for view in np.unique(views):
        chosen = views == view
        gathered[chosen] = arrays[view][rows[chosen]]
    return gathered
