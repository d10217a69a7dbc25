"""FeatureSource: all that training and evaluation need from any store, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["FeatureSource"]


class FeatureSource(Protocol):
    """The features of one dataset under one encoder. A store satisfies it without naming it.

    Rejected rows are never handed out; `rejected` counts them. Every read names one split and touches no other.
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

    def width(self, output: str = "pooled") -> int:
        """D of `output`."""

    def labels(self, split: str) -> npt.NDArray[np.str_]:
        """Canonical expressions of the split's usable rows, shape (N,)."""

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        """Sample ids of the split's usable rows, shape (N,)."""

    def features(self, split: str, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        """Raw features of the split's usable rows in table order: shape (N, D), float16 or float32 as stored."""

    def n_views(self) -> int:
        """V: view 0 is plain, views 1..V-1 are augmentations of the train split."""

    def rejected(self, split: str) -> int:
        """How many rows of the split are masked because their image could not be used."""
