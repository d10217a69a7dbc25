"""The units of one split that many heads are scored on: read from the store once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.sources import Clips
from stages.workflows.row_identity import SplitRows, split_rows
from stages.workflows.unit_source import StoredClips, StoredUnits

__all__ = ["Budget", "ScoredClips", "ScoredSplit", "scored_split"]

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
    units : of a store
    split : the only one that can be read
    budget : of all splits that are scored
    """

    units: StoredUnits
    split: str
    budget: Budget
    _features: dict[tuple[str, int], npt.NDArray[Any]] = field(default_factory=dict)

    @cached_property
    def rows(self) -> SplitRows:
        """The usable units: their images and labels."""
        return split_rows(self.units, self.split)

    @property
    def dataset(self) -> str:
        return self.units.dataset

    @property
    def key(self) -> str:
        return self.units.key

    @property
    def encoder(self) -> Mapping[str, Any]:
        return self.units.encoder

    @property
    def classes(self) -> tuple[str, ...]:
        return self.units.classes

    def row_shape(self, output: str = "pooled") -> tuple[int, ...]:
        return self.units.row_shape(output)

    def n_views(self) -> int:
        return self.units.n_views()

    def labels(self, split: str) -> npt.NDArray[np.str_]:
        self._require(split)
        return self.rows.labels

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        self._require(split)
        return self.units.ids(split)

    def features(self, split: str, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        self._require(split)
        if (name := (output, view)) in self._features:
            return self._features[name]
        values = self.units.features(split, output, view)
        if not isinstance(values, np.memmap) and self.budget.take(values.nbytes):
            values.flags.writeable = False
            self._features[name] = values
        return values

    @cached_property
    def scenes(self) -> npt.NDArray[np.str_] | None:
        """The scene of each usable unit; None where there are no scenes."""
        return self.units.scenes(self.split)

    def rejected(self, split: str) -> int:
        self._require(split)
        return self._n_rejected

    @cached_property
    def _n_rejected(self) -> int:
        return self.units.rejected(self.split)

    @cached_property
    def n_rejected_frames(self) -> int:
        """Frames that are masked in clips with other frames; 0 of images."""
        return self.units.rejected_frames(self.split)

    def _require(self, split: str) -> None:
        if split != self.split:
            raise ValueError(f"{self.dataset}: expected split {self.split}, found {split}")


@dataclass(frozen=True)
class ScoredClips(ScoredSplit):
    """The same of clips: a `ClipSource`."""

    def clips(self, split: str) -> Clips:
        self._require(split)
        clips = self.rows.clips
        assert clips is not None  # see `scored_split`
        return clips

    def rejected_frames(self, split: str) -> int:
        self._require(split)
        return self.n_rejected_frames


def scored_split(units: StoredUnits, split: str, budget: Budget) -> ScoredSplit:
    """A split of images or of clips: see `ScoredSplit` for the parameters."""
    return (ScoredClips if isinstance(units, StoredClips) else ScoredSplit)(units, split, budget)
