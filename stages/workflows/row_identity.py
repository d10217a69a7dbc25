"""Which units a head was trained on, and which units a score is of: by their bytes, never by a dataset's name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cache import Store
from cache.errors import CacheError
from cache.keys import sha256_of
from cache.reuse import image_keys_of
from cache.upkeep.inventory import statuses_below
from pipeline.errors import DatasetError
from pipeline.records import Export, FoldRecord, Run
from pipeline.sources import Clips
from stages.errors import StageError
from stages.workflows.opened_stores import OpenedStores
from stages.workflows.unit_source import HEAD_SPLITS, StoredClips, StoredUnits

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "HeadRows",
    "HeadRowsFinder",
    "SplitRows",
    "head_rows_digest",
    "rows_digest",
    "split_rows",
]


@dataclass(frozen=True)
class SplitRows:
    """The usable units of one split of a store, in the order of `StoredUnits.labels`.

    Parameters
    ----------
    keys : str, shape (U,): sha256 of the image's bytes and its box; of a clip sha256 over the keys and the numbers of
        its usable frames. The id takes the place of the bytes where a store has no sha256
    labels : str, shape (U,)
    sha256 : str, shape (N,): of the bytes of every usable row of the split; None where the store has none
    clips : which rows of these are the frames of each clip; None where rows are units
    """

    keys: npt.NDArray[np.str_]
    labels: npt.NDArray[np.str_]
    sha256: npt.NDArray[np.str_] | None
    clips: Clips | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_sha256(self) -> npt.NDArray[np.str_] | None:
        """Of all images of the units: shape (U,), or (F,) with every frame of the clips."""
        return self.sha256 if self.sha256 is None or self.clips is None else self.sha256[self.clips.rows]

    def of_classes(self, classes: Sequence[str]) -> SplitRows:
        """The units whose label is among `classes`."""
        return self.take(np.isin(self.labels, list(classes)))

    def take(self, units: npt.NDArray[Any]) -> SplitRows:
        """Some units, by a mask or by ascending positions."""
        keys, labels = self.keys[units], self.labels[units]
        if self.clips is not None:
            return SplitRows(keys, labels, self.sha256, self.clips.take(np.arange(len(self))[units]))
        return SplitRows(keys, labels, None if self.sha256 is None else self.sha256[units])

    def with_any(self, images: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Which units have one of some images, shape (U,).

        Parameters
        ----------
        images : bool, one for each of `image_sha256`
        """
        if self.clips is None or not len(self):
            return images
        return np.asarray(np.logical_or.reduceat(images, self.clips.starts[:-1]))


def split_rows(units: StoredUnits, split: str | None) -> SplitRows:
    """The usable units of a split, or of the whole store for None."""
    frame = _columns(units.store).iloc[units.rows(split)]
    sha256 = frame["sha256"].to_numpy(dtype=str) if "sha256" in frame else None
    keys = _keys(frame)
    if not isinstance(units, StoredClips):
        return SplitRows(keys.astype(str), units.labels(split), sha256)
    clips = units.clips(split)
    return SplitRows(_clip_keys(keys, frame["frame"].to_numpy(), clips), units.labels(split), sha256, clips)


def rows_digest(rows: SplitRows) -> str:
    """sha256 over the ordered (key, label) of some units; it does not depend on the encoder."""
    return sha256_of(_pairs(rows.keys, rows.labels))


def head_rows_digest(units: StoredUnits, classes: Sequence[str]) -> str:
    """sha256 over the ordered (key, label) of the train and val units that a head of `classes` reads."""
    name = tuple(classes)
    if name not in units.head_digests:
        units.head_digests[name] = sha256_of({split: _pairs_of_split(units, split, name) for split in HEAD_SPLITS})
    return units.head_digests[name]


def _columns(store: Store) -> pd.DataFrame:
    names = ("id", "label", "sha256", "box", *(("frame",) if store.unit == "clip" else ()))
    return store.columns([name for name in names if name in store.manifest.columns])


def _keys(frame: pd.DataFrame) -> npt.NDArray[np.object_]:
    return image_keys_of(frame) if "sha256" in frame else frame["id"].to_numpy(dtype=object)


def _clip_keys(keys: npt.NDArray[np.object_], frames: npt.NDArray[np.integer], clips: Clips) -> npt.NDArray[np.str_]:
    """A key for each clip from those of the rows, in the order of time."""
    texts = [f"{number} {key}" for number, key in zip(frames[clips.rows].tolist(), keys[clips.rows], strict=True)]
    bounds = zip(clips.starts[:-1].tolist(), clips.starts[1:].tolist(), strict=True)
    digests = [hashlib.sha256("\n".join(texts[start:stop]).encode()).hexdigest() for start, stop in bounds]
    return np.array(digests, dtype=np.str_)


def _pairs_of_split(units: StoredUnits, split: str, classes: Sequence[str]) -> list[list[str]]:
    if isinstance(units, StoredClips):
        rows = split_rows(units, split).of_classes(classes)
        return _pairs(rows.keys, rows.labels)
    frame = _columns(units.store).iloc[units.rows(split)]
    frame = frame[frame["label"].isin(list(classes))]
    return _pairs(_keys(frame), frame["label"].to_numpy(dtype=object))  # texts as they are: no array of them


def _pairs(keys: npt.NDArray[Any], labels: npt.NDArray[Any]) -> list[list[str]]:
    return [list(pair) for pair in zip(keys.tolist(), labels.tolist(), strict=True)]


@dataclass(frozen=True)
class HeadRows:
    """sha256 of the images, or frames, that a head was trained on, selected on, and of all those of that dataset."""

    train: npt.NDArray[np.str_]
    val: npt.NDArray[np.str_]
    dataset: npt.NDArray[np.str_]


class HeadRowsFinder:
    """Finds the rows that heads were trained on, in the stores below a features root. Equal requests are read once."""

    def __init__(self, stores: OpenedStores) -> None:
        self._opened = stores
        self._known: dict[tuple[str, str, tuple[str, ...]], HeadRows | None] = {}

    def find(self, record: Run | Export) -> HeadRows | None:
        """The rows of a head; None if no store here has its key and its rows, or an export does not name them."""
        if not record.rows:
            return None
        identity = (record.key, record.rows, record.classes)
        if identity not in self._known:
            of_key = (store for store in self._stores(record) if store.key == record.key)
            sources = (units for store in of_key if (units := self._units(store, record.fold)))
            same = (units for units in sources if head_rows_digest(units, record.classes) == record.rows)
            rows = (_head_rows(units, record.classes) for units in same if _has_bytes(units.store))
            self._known[identity] = next(rows, None)
        return self._known[identity]

    def _units(self, store: Store, fold: FoldRecord | None) -> StoredUnits | None:
        """The units in the splits that the head was trained on; None if the table has other folds by now."""
        try:
            return self._opened.units.of(store, fold)
        except (StageError, DatasetError):
            return None

    def _stores(self, record: Run | Export) -> Iterable[Store]:
        """The store of the record's names first; all others only if it is another one."""
        with suppress(CacheError):  # it was renamed or removed: its key may be elsewhere
            yield self._opened.store(record.encoder, record.dataset)
        yield from (status.store for status in statuses_below(self._opened.features) if status.store)


def _has_bytes(store: Store) -> bool:
    return "sha256" in store.manifest.columns


def _head_rows(units: StoredUnits, classes: Sequence[str]) -> HeadRows:
    train, val = (split_rows(units, split).of_classes(classes).image_sha256 for split in ("train", "val"))
    whole = split_rows(units, None).image_sha256
    assert train is not None  # see `_has_bytes`
    assert val is not None
    assert whole is not None
    return HeadRows(np.unique(train), np.unique(val), np.unique(whole))
