"""The rows of one split that many heads are scored on: read from the store once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cache import Store
from stages.workflows.row_identity import SplitRows, split_rows

__all__ = ["Budget", "ScoredSplit"]

_KEPT_BYTES = 256_000_000  # of features that are kept in memory for the next head, of all splits together


@dataclass
class Budget:
    """Memory that several splits share for their features."""

    n_bytes: int = _KEPT_BYTES

    def take(self, n_bytes: int) -> bool:
        """Whether so many bytes are still free; if so, they are not any more."""
        fits = n_bytes <= self.n_bytes
        self.n_bytes -= n_bytes if fits else 0
        return fits


@dataclass(frozen=True)
class ScoredSplit:
    """One split of a store as a `FeatureSource` that keeps what it has read; features as far as `budget` allows.

    Parameters
    ----------
    store : Store
    split : the only one that can be read
    budget : of all splits that are scored
    """

    store: Store
    split: str
    budget: Budget
    _features: dict[tuple[str, int], npt.NDArray[Any]] = field(default_factory=dict)

    @cached_property
    def rows(self) -> SplitRows:
        """The usable rows: their images and labels."""
        return split_rows(self.store, self.split)

    @property
    def dataset(self) -> str:
        return self.store.dataset

    @property
    def key(self) -> str:
        return self.store.key

    @property
    def encoder(self) -> Mapping[str, Any]:
        return self.store.encoder

    @property
    def classes(self) -> tuple[str, ...]:
        return self.store.classes

    def row_shape(self, output: str = "pooled") -> tuple[int, ...]:
        return self.store.row_shape(output)

    def n_views(self) -> int:
        return self.store.n_views()

    def labels(self, split: str) -> npt.NDArray[np.str_]:
        self._require(split)
        return self.rows.labels

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        self._require(split)
        return self.store.ids(split)

    def features(self, split: str, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        self._require(split)
        if (name := (output, view)) in self._features:
            return self._features[name]
        values = self.store.features(split, output, view)
        if not isinstance(values, np.memmap) and self.budget.take(values.nbytes):
            values.flags.writeable = False
            self._features[name] = values
        return values

    def rejected(self, split: str) -> int:
        self._require(split)
        return self._n_rejected

    @cached_property
    def _n_rejected(self) -> int:
        return self.store.rejected(self.split)

    def _require(self, split: str) -> None:
        if split != self.split:
            raise ValueError(f"{self.dataset}: expected split {self.split}, found {split}")
