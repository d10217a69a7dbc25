"""What training and evaluation read of a store: its units, images or clips, in its splits or in those of a fold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from cache import Store
from cache.schema import OK
from pipeline.sources import Clips
from pipeline.tables.sample import Unit

__all__ = ["HEAD_SPLITS", "StoredClips", "StoredImages", "StoredUnits", "unit_source"]

HEAD_SPLITS = ("train", "val")  # that training reads

Splits = npt.NDArray[np.object_]


def unit_source(store: Store, splits: Splits | None = None) -> StoredUnits:
    """The units of a store as a `FeatureSource`; clips as a `ClipSource`, too.

    Parameters
    ----------
    store : Store
    splits : shape (len(store),): which split each row is in; by default what the store has. The rows of a clip are in
        one split
    """
    return (StoredClips if store.unit == "clip" else StoredImages)(store, splits)


@dataclass(frozen=True)
class StoredUnits(ABC):
    """The units of a store. Which split a row is in is decided here alone: see `unit_source` for the parameters.

    Attributes
    ----------
    head_digests : classes -> what `row_identity.head_rows_digest` gave for them: many heads read the same rows
    """

    store: Store
    splits: Splits | None = None
    head_digests: dict[tuple[str, ...], str] = field(default_factory=dict, init=False, repr=False, compare=False)
    unit: ClassVar[Unit]

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

    def features(self, split: str, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        return self.store.features_of(self.rows(split), output, view)

    def rows(self, split: str | None) -> npt.NDArray[np.intp]:
        """Ascending numbers of the usable rows of a split, or of the whole store for None."""
        return np.flatnonzero(self._usable & self._in(split))

    @abstractmethod
    def labels(self, split: str | None) -> npt.NDArray[np.str_]:
        """As `FeatureSource.labels`; of the whole store for None."""

    @abstractmethod
    def ids(self, split: str) -> npt.NDArray[np.str_]: ...

    @abstractmethod
    def distributions(self, split: str) -> npt.NDArray[np.float64]: ...

    @abstractmethod
    def first_rows(self, split: str | None) -> npt.NDArray[np.intp]:
        """Of each usable unit one row, which has what is known of the unit: that of an image, the first of a clip."""

    def scenes(self, split: str) -> npt.NDArray[np.str_] | None:
        """The scene of each usable unit of a split, `no scene` where it has none; None where there are no scenes."""
        if "scene" not in self.store.manifest.columns:
            return None
        names = self._texts("scene", self.first_rows(split))
        return np.where(names == "", "no scene", names)

    @abstractmethod
    def all_units(self, split: str) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Of each unit of a split, rejected ones included, one row; and which of them are usable.

        Usable ones are in the order of `labels`.
        """

    @cached_property
    def label_counts(self) -> Mapping[str, Mapping[str, int]]:
        """Usable units of the train and val splits: split -> label -> n, of labels that occur."""
        return {split: dict(Counter(self.labels(split).tolist())) for split in HEAD_SPLITS}

    @abstractmethod
    def rejected(self, split: str) -> int: ...

    @abstractmethod
    def rejected_frames(self, split: str) -> int:
        """How many frames of the usable clips are masked; 0 of images."""

    @cached_property
    def split_of_rows(self) -> Splits:
        """Shape (len(store),)."""
        return self.store.columns(["split"])["split"].to_numpy(dtype=object) if self.splits is None else self.splits

    @cached_property
    def _usable(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.store.columns(["status"])["status"] == OK, bool)

    def _in(self, split: str | None) -> npt.NDArray[np.bool_]:
        return np.ones(len(self.store), bool) if split is None else np.asarray(self.split_of_rows == split, bool)

    def _texts(self, column: str, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.str_]:
        return self.store.columns([column])[column].to_numpy(dtype=object)[rows].astype(str)


class StoredImages(StoredUnits):
    """The rows of a store, each an image."""

    unit = "image"

    def labels(self, split: str | None) -> npt.NDArray[np.str_]:
        return self._texts("label", self.rows(split))

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        return self._texts("id", self.rows(split))

    def distributions(self, split: str) -> npt.NDArray[np.float64]:
        return self.store.distributions_of(self.rows(split))

    def first_rows(self, split: str | None) -> npt.NDArray[np.intp]:
        return self.rows(split)

    def all_units(self, split: str) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        rows = np.flatnonzero(self._in(split))
        return rows, self._usable[rows]

    def rejected(self, split: str) -> int:
        return int((self._in(split) & ~self._usable).sum())

    def rejected_frames(self, split: str) -> int:
        return 0


@dataclass(frozen=True)
class StoredClips(StoredUnits):
    """The clips of a store, a `ClipSource`. A clip of which no frame is usable is rejected.

    Clips are in the order of their first rows, frames in that of their numbers. What is known of a clip is the same in
    all its rows.
    """

    unit = "clip"
    _clips: dict[str | None, Clips] = field(default_factory=dict, init=False, repr=False, compare=False)

    def labels(self, split: str | None) -> npt.NDArray[np.str_]:
        return self._texts("label", self.first_rows(split))

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        return self._texts("clip", self.first_rows(split))

    def distributions(self, split: str) -> npt.NDArray[np.float64]:
        return self.store.distributions_of(self.first_rows(split))

    def clips(self, split: str | None) -> Clips:
        """As `ClipSource.clips`; of the whole store for None."""
        if split not in self._clips:
            rows = self.rows(split)
            self._clips[split] = clips_of(self._numbers[rows], self._frames[rows])
        return self._clips[split]

    def all_units(self, split: str) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        rows = np.flatnonzero(self._in(split))
        numbers, first = np.unique(self._numbers[rows], return_index=True)
        return rows[first], np.isin(numbers, self._numbers[self.rows(split)])

    def rejected(self, split: str) -> int:
        chosen = self._in(split)
        return len(np.setdiff1d(self._numbers[chosen], self._numbers[chosen & self._usable]))

    def rejected_frames(self, split: str) -> int:
        chosen = self._in(split)
        of_usable_clips = np.isin(self._numbers, self._numbers[chosen & self._usable])
        return int((chosen & ~self._usable & of_usable_clips).sum())

    @cached_property
    def _numbers(self) -> npt.NDArray[np.intp]:
        """The clip of every row, as a number: clips are counted in the order of their first rows."""
        import pandas as pd  # late: it takes half a second

        return pd.factorize(self.store.columns(["clip"])["clip"])[0]

    @cached_property
    def _frames(self) -> npt.NDArray[np.int64]:
        return self.store.columns(["frame"])["frame"].to_numpy(dtype=np.int64)

    def first_rows(self, split: str | None) -> npt.NDArray[np.intp]:
        return self.rows(split)[self.clips(split).first]


def clips_of(numbers: npt.NDArray[np.integer], frames: npt.NDArray[np.integer]) -> Clips:
    """The clips of some usable rows, in ascending order of their numbers, the frames of each in that of theirs.

    Parameters
    ----------
    numbers : shape (N,): the clip of every row
    frames : shape (N,): its position in the clip
    """
    return Clips.of_sizes(np.lexsort((frames, numbers)), np.unique(numbers, return_counts=True)[1])
