"""The units of stores that the page shows: which rows each has, its texts, and its feature."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache import Store
from cache.schema import OK
from stages.errors import StageError

__all__ = ["MOST_FRAMES", "StoreUnits", "units_of_split", "units_with_ids"]

MOST_FRAMES = 8  # pictures in the strip of a clip
_TEXTS = ("id", "clip", "path", "split", "subject", "scene", "fold", "status", "reason", "sha256")
_NO_FRAMES = np.empty(0, np.intp)

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class StoreUnits:
    """U > 0 units of a store: images, or clips with their frames. Rejected ones are among them.

    Parameters
    ----------
    store : Store
    rows : intp, shape (F,): rows of the units, those of each unit in the order of time
    starts : intp, shape (U + 1,): where each unit begins in `rows`
    title : of the dataset on the page
    """

    store: Store
    rows: Rows
    starts: Rows
    title: str

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def is_clips(self) -> bool:
        return self.store.unit == "clip"

    @cached_property
    def first_rows(self) -> Rows:
        """Of each unit the row that has what is known of the unit."""
        return self.rows[self.starts[:-1]]

    @cached_property
    def ids(self) -> npt.NDArray[np.object_]:
        """Ids of images, names of clips, shape (U,)."""
        return self.column("clip" if self.is_clips else "id").to_numpy(dtype=object)

    def column(self, name: str) -> pd.Series[Any]:
        """A column of the store, one value for each unit."""
        return self.store.columns([name])[name].iloc[self.first_rows].reset_index(drop=True)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.store.manifest.columns)

    @cached_property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Which units have a usable row, shape (U,)."""
        return np.asarray(np.logical_or.reduceat(self._row_is_usable, self.starts[:-1]), bool)

    @cached_property
    def _row_is_usable(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.store.columns(["status"])["status"].to_numpy()[self.rows] == OK, bool)

    def frames(self, unit: int) -> Rows:
        """Up to `MOST_FRAMES` rows of a clip, evenly spread over its usable ones; none of an image."""
        if not self.is_clips:
            return _NO_FRAMES
        rows = self._usable_rows(unit)
        return rows[np.linspace(0, len(rows) - 1, min(MOST_FRAMES, len(rows))).round().astype(np.intp)]

    def middle(self, unit: int) -> int:
        """The row whose picture is that of the unit: of a clip its middle usable frame."""
        rows = self._usable_rows(unit)
        return int(rows[(len(rows) - 1) // 2])

    def _usable_rows(self, unit: int) -> Rows:
        part = slice(self.starts[unit], self.starts[unit + 1])
        usable = self.rows[part][self._row_is_usable[part]]
        return usable if len(usable) else self.rows[part]

    @cached_property
    def n_frames(self) -> npt.NDArray[np.uint8]:
        """Lengths of `frames`, shape (U,)."""
        if not self.is_clips:
            return np.zeros(len(self), np.uint8)
        usable = np.add.reduceat(self._row_is_usable.astype(np.intp), self.starts[:-1])
        sizes = np.where(usable > 0, usable, np.diff(self.starts))
        return np.minimum(sizes, MOST_FRAMES).astype(np.uint8)

    @cached_property
    def features(self) -> npt.NDArray[np.floating]:
        """`pooled` of each unit, shape (U, D); of a clip the mean over its usable frames. NaN of a rejected unit."""
        order = np.argsort(self.rows, kind="stable")
        values = self.store.features_of(self.rows[order])
        if not self.is_clips:
            return values  # rows of images are ascending
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        frames = np.where(self._row_is_usable[:, None], np.asarray(values)[back], 0).astype(np.float32)
        counts = np.add.reduceat(self._row_is_usable.astype(np.float32), self.starts[:-1])[:, None]
        sums = np.add.reduceat(frames, self.starts[:-1], axis=0)
        return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)

    def texts(self, units: range) -> list[dict[str, str]]:
        """What is known of some units, as texts: column -> value."""
        names = [name for name in _TEXTS if name in self.columns and not (self.is_clips and name == "id")]
        frame = self.store.columns(names).iloc[self.first_rows[units.start : units.stop]]
        return [
            {name: _text(name, value) for name, value in zip(names, values, strict=True)}
            for values in frame.itertuples(index=False)
        ]


def _text(name: str, value: Any) -> str:
    return "" if name == "fold" and value == -1 else str(value)


def units_of_split(store: Store, split: str) -> StoreUnits:
    """The units of a split of a store.

    Raises
    ------
    StageError
        If there is none.
    """
    splits = store.columns(["split"])["split"].to_numpy()
    rows = np.flatnonzero(splits == split)
    if not len(rows):
        raise StageError(
            f"{store.path}: expected images of split {split}, found the splits {', '.join(sorted(set(splits)))}. Name "
            "another --split"
        )
    return _grouped(store, rows, f"{store.dataset} ({split})")


def units_with_ids(store: Store, ids: Collection[str], split: str) -> StoreUnits:
    """The units of a store that have predictions.

    Parameters
    ----------
    ids : of images, or names of clips
    split : of the predictions, for the title

    Raises
    ------
    StageError
        If one is not in the store.
    """
    column = "clip" if store.unit == "clip" else "id"
    names = store.columns([column])[column]
    if missing := set(ids) - set(names):
        raise StageError(
            f"{store.path}: expected every {column} that has a prediction, found none of {len(missing)}, "
            f"first {min(missing)!a}",
            remedy=[("evaluate", {"runs": ("RUN",)})],
        )
    return _grouped(store, np.flatnonzero(names.isin(set(ids)).to_numpy()), f"{store.dataset} ({split})")


def _grouped(store: Store, rows: Rows, title: str) -> StoreUnits:
    """Rows as units: each by itself, or the frames of a clip, which are in the order of their numbers."""
    if store.unit != "clip":
        return StoreUnits(store, rows, np.arange(len(rows) + 1), title)
    frame = store.columns(["clip", "frame"]).iloc[rows]
    numbers = pd.factorize(frame["clip"])[0]
    order = np.lexsort((frame["frame"].to_numpy(), numbers))
    sizes = np.unique(numbers, return_counts=True)[1]
    return StoreUnits(store, rows[order], np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp), title)
