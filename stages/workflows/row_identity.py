"""Which rows a head was trained on, and which rows a score is of: by their bytes, never by a dataset's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cache import Store
from cache.errors import CacheError
from cache.features_root import find_store
from cache.keys import sha256_of
from cache.places import AnyPath
from cache.reuse import image_keys_of
from cache.schema import OK
from cache.upkeep.inventory import statuses_below
from pipeline.errors import DatasetError
from pipeline.records import Export, FoldRecord, Run
from stages.errors import StageError
from stages.workflows.folds import FoldStores

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "HeadRows",
    "HeadRowsFinder",
    "SplitRows",
    "head_rows_digest",
    "label_counts",
    "rows_digest",
    "split_rows",
]

_HEAD_SPLITS = ("train", "val")  # that training reads


@dataclass(frozen=True)
class SplitRows:
    """The usable rows of one split of a store, in table order.

    Parameters
    ----------
    keys : str, shape (N,): sha256 of the image's bytes and its box; the id where a store has no sha256
    labels : str, shape (N,)
    sha256 : str, shape (N,); None where the store has none
    """

    keys: npt.NDArray[np.str_]
    labels: npt.NDArray[np.str_]
    sha256: npt.NDArray[np.str_] | None

    def __len__(self) -> int:
        return len(self.labels)

    def of_classes(self, classes: Sequence[str]) -> SplitRows:
        """The rows whose label is among `classes`."""
        return self.take(np.isin(self.labels, list(classes)))

    def take(self, rows: npt.NDArray[Any]) -> SplitRows:
        """Some rows, by a mask or by ascending positions."""
        sha256 = None if self.sha256 is None else self.sha256[rows]
        return SplitRows(self.keys[rows], self.labels[rows], sha256)


def split_rows(store: Store, split: str | None) -> SplitRows:
    """The usable rows of a split, or of the whole store for None: the rows that `Store.labels` gives, in its order."""
    frame = _usable(store)
    if split is not None:
        frame = frame[frame["split"] == split]
    sha256 = frame["sha256"].to_numpy(dtype=str) if "sha256" in frame else None
    return SplitRows(_keys(frame).astype(str), frame["label"].to_numpy(dtype=str), sha256)


def rows_digest(rows: SplitRows) -> str:
    """sha256 over the ordered (key, label) of some rows; it does not depend on the encoder."""
    return sha256_of(_pairs(rows))


def head_rows_digest(store: Store, classes: Sequence[str]) -> str:
    """sha256 over the ordered (key, label) of the train and val rows that a head of `classes` reads."""
    frame = _usable(store)
    of_splits = {split: frame[(frame["split"] == split) & frame["label"].isin(list(classes))] for split in _HEAD_SPLITS}
    keys = {split: _keys(rows).tolist() for split, rows in of_splits.items()}  # texts as they are: no array of them
    return sha256_of(
        {split: list(zip(keys[split], rows["label"].tolist(), strict=True)) for split, rows in of_splits.items()}
    )


def label_counts(store: Store) -> Mapping[str, Mapping[str, int]]:
    """Usable rows of the train and val splits: split -> label -> n, of labels that occur."""
    frame = _usable(store)
    counts = {split: frame["label"][frame["split"] == split].value_counts() for split in _HEAD_SPLITS}
    return {split: {str(label): int(n) for label, n in of_split.items()} for split, of_split in counts.items()}


def _usable(store: Store) -> pd.DataFrame:
    names = ("id", "label", "split", "status", "sha256", "box")
    frame = store.columns([name for name in names if name in store.manifest.columns])
    return frame[frame["status"] == OK]


def _keys(frame: pd.DataFrame) -> npt.NDArray[np.object_]:
    return image_keys_of(frame) if "sha256" in frame else frame["id"].to_numpy(dtype=object)


def _pairs(rows: SplitRows) -> list[list[str]]:
    return [list(pair) for pair in zip(rows.keys.tolist(), rows.labels.tolist(), strict=True)]


@dataclass(frozen=True)
class HeadRows:
    """sha256 of the images that a head was trained on, selected on, and of all images of that dataset."""

    train: npt.NDArray[np.str_]
    val: npt.NDArray[np.str_]
    dataset: npt.NDArray[np.str_]


class HeadRowsFinder:
    """Finds the rows that heads were trained on, in the stores below a features root. Equal requests are read once."""

    def __init__(self, features: AnyPath, folds: FoldStores | None = None) -> None:
        self.features, self._folds = features, folds or FoldStores()
        self._known: dict[tuple[str, str, tuple[str, ...]], HeadRows | None] = {}

    def find(self, record: Run | Export) -> HeadRows | None:
        """The rows of a head; None if no store here has its key and its rows, or an export does not name them."""
        if not record.rows:
            return None
        identity = (record.key, record.rows, record.classes)
        if identity not in self._known:
            of_key = (store for store in self._stores(record) if store.key == record.key)
            stores = (split for store in of_key if (split := self._in_fold(store, record.fold)))
            same = (store for store in stores if head_rows_digest(store, record.classes) == record.rows)
            rows = (_head_rows(store, record.classes) for store in same if _has_bytes(store))
            self._known[identity] = next(rows, None)
        return self._known[identity]

    def _in_fold(self, store: Store, fold: FoldRecord | None) -> Store | None:
        """The store with the splits that the head was trained on; None if its table has other folds by now."""
        try:
            return self._folds.of(store, fold)
        except (StageError, DatasetError):
            return None

    def _stores(self, record: Run | Export) -> Iterable[Store]:
        """The store of the record's names first; all others only if it is another one."""
        with suppress(CacheError):  # it was renamed or removed: its key may be elsewhere
            yield find_store(self.features, record.encoder, record.dataset)
        yield from (status.store for status in statuses_below(self.features) if status.store)


def _has_bytes(store: Store) -> bool:
    return "sha256" in store.manifest.columns


def _head_rows(store: Store, classes: Sequence[str]) -> HeadRows:
    train, val = (split_rows(store, split).of_classes(classes).sha256 for split in ("train", "val"))
    whole = split_rows(store, None).sha256
    assert train is not None  # see `_has_bytes`
    assert val is not None
    assert whole is not None
    return HeadRows(np.unique(train), np.unique(val), np.unique(whole))
