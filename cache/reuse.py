"""Rows of other stores that a new store can copy: no image is encoded twice.

A row's feature depends on the image's bytes, its box, the encoder, the preparation and the view: not on the dataset,
the label, the split or the row number. So it is copied from any store that has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache.keys import StoreKey
from cache.row_copies import CopiedRows, RowNumbers, features_digest
from cache.schema import OK, Schema
from cache.store import Store

__all__ = [
    "Digests",
    "Reuse",
    "comparable",
    "equal_digests",
    "find_rows",
    "image_digests",
    "image_keys",
    "image_keys_of",
    "rows_of_images",
]

_NO_SOURCE = -1
_REGIONS = ("box", "face")
_ROW_COLUMNS = ("sha256", *_REGIONS, "split", "status")
_BLOCK_ROWS = 2**14

Digests = npt.NDArray[np.uint64]  # (N, 4)


def image_keys(sha256: Iterable[str], *regions: Iterable[str]) -> npt.NDArray[np.object_]:
    """What an image is to an encoder: its bytes and where its face is (box, landmarks), as one text."""
    return np.array([" ".join(filter(None, parts)) for parts in zip(sha256, *regions, strict=True)], dtype=object)


def image_keys_of(frame: pd.DataFrame) -> npt.NDArray[np.object_]:
    """`image_keys` of a store's columns `sha256` and, where they are, `box` and `face`."""
    return image_keys(*(frame[name].tolist() for name in ("sha256", *_REGIONS) if name in frame))


def image_digests(n_rows: int, columns: Sequence[Any]) -> Digests:
    """The sha256 of every row's `image_keys`, as four numbers, shape (N, 4): the keys as texts take 0.1 GB a million.

    Parameters
    ----------
    columns : `sha256` and regions, each of `n_rows` texts; slices of them are read one after the other
    """
    digests = np.empty((n_rows, 4), np.uint64)
    for start in range(0, n_rows, _BLOCK_ROWS):
        keys = image_keys(*(column[start : start + _BLOCK_ROWS].tolist() for column in columns))
        block = b"".join(hashlib.sha256(key.encode()).digest() for key in keys)
        digests[start : start + len(keys)] = np.frombuffer(block, np.uint64).reshape(-1, 4)
    return digests


def equal_digests(a: Digests, b: Digests) -> npt.NDArray[np.bool_]:
    """Which rows are equal, shape (M,)."""
    return np.asarray((a == b).all(axis=1))


@dataclass(frozen=True)
class _Origins:
    """Where each row of the new store is copied from: number of the source (-1: none), and row there; shape (N,)."""

    source: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]

    @classmethod
    def empty(cls, n_rows: int) -> _Origins:
        """No row is copied. Takes no memory."""
        nothing = np.broadcast_to(np.int32(_NO_SOURCE), (n_rows,))
        return cls(nothing, nothing)

    def with_source(self, source: int, rows: npt.NDArray[np.int32], needed: npt.NDArray[np.bool_]) -> _Origins:
        """With the needed rows that have no source yet and are in this one."""
        new = needed & (self.source == _NO_SOURCE) & (rows != _NO_SOURCE)
        if not new.any():
            return self
        return _Origins(np.where(new, np.int32(source), self.source), np.where(new, rows, self.row))


@dataclass(frozen=True)
class Reuse:
    """Which (row, view) of a new store are in `sources` already.

    Parameters
    ----------
    sources : finished stores whose features are comparable
    plain, augmented : of view 0, and of views 1..V-1, which a store has together
    rejected : row of the new store -> why its image cannot be used, as recorded in a store with the same key
    n_views : V of the new store
    """

    sources: tuple[Store, ...]
    plain: _Origins
    augmented: _Origins
    rejected: Mapping[int, str]
    n_views: int

    def has(self, row: int, view: int) -> bool:
        """Whether this view of this row need not be encoded."""
        return bool((self.plain if view == 0 else self.augmented).source[row] != _NO_SOURCE)

    @property
    def has_plain(self) -> npt.NDArray[np.bool_]:
        """The rows whose plain view need not be encoded, shape (N,)."""
        return np.asarray(self.plain.source != _NO_SOURCE)

    @property
    def has_augmented(self) -> npt.NDArray[np.bool_]:
        """The rows whose augmented views need not be encoded, shape (N,)."""
        return np.asarray(self.augmented.source != _NO_SOURCE)

    def copied_rows(self, rows: range) -> list[CopiedRows]:
        """What can be copied into the shard that holds `rows`."""
        origins = [(self.plain, range(1)), (self.augmented, range(1, self.n_views))]
        return [copied for origin, views in origins if views for copied in self._copied_rows(origin, views, rows)]

    def rows_from(self, number: int) -> tuple[RowNumbers, RowNumbers]:
        """Rows of the new store whose plain view, and whose augmented views, source `number` gives; shape (M,) each."""
        plain, augmented = (np.flatnonzero(origins.source == number) for origins in (self.plain, self.augmented))
        return plain, augmented

    def read(self, row: int, view: int, outputs: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
        """Output -> what a source holds of one view of a row of the new store, shape (1, *row_shape).

        Raises
        ------
        StoreDamagedError
            If the source is not what was written.
        """
        origins = self.plain if view == 0 else self.augmented
        store, inside = self.sources[origins.source[row]], origins.row[[row]].astype(np.intp)
        return {output: store.read(inside, output, view) for output in outputs}

    def _copied_rows(self, origins: _Origins, views: range, rows: range) -> list[CopiedRows]:
        sources, inside = origins.source[rows.start : rows.stop], origins.row[rows.start : rows.stop]
        copies = []
        for number in np.unique(sources[sources != _NO_SOURCE]):
            at = np.flatnonzero(sources == number)
            store_rows = inside[at].astype(np.intp)
            copies.append(CopiedRows(self.sources[number].path, self._digests[number], store_rows, at, views))
        return copies

    @cached_property
    def _digests(self) -> list[str]:
        return [features_digest(store) for store in self.sources]

    def used(self) -> dict[str, int]:
        """Key of a source -> rows whose plain view is taken from it."""
        counts = np.bincount(self.plain.source[self.plain.source != _NO_SOURCE], minlength=len(self.sources))
        used: dict[str, int] = {}
        for store, count in zip(self.sources, counts.tolist(), strict=True):
            if count:
                used[store.key] = used.get(store.key, 0) + count
        return used


def comparable(store: Store, key: StoreKey, schema: Schema) -> bool:
    """Whether rows of `store` may be in a store with this key: alike, with its outputs, and known by digest."""
    if "sha256" not in store.manifest.columns:
        return False
    fields, new = store.manifest.key_fields, key.fields()
    arrays = {array.name: array for array in store.manifest.schema.arrays}
    return all(fields[name] == new[name] for name in ("encoder", "preprocess", "precision", "dtype")) and all(
        arrays.get(array.name) == array for array in schema.arrays
    )


def find_rows(
    stores: Sequence[Store],
    key: StoreKey,
    schema: Schema,
    images: Digests,
    n_views: npt.NDArray[np.integer],
) -> Reuse:
    """Look every row up in every comparable store; an earlier one in `stores` wins.

    Parameters
    ----------
    stores : finished stores; those that are not `comparable` are passed over
    key, schema : of the new store
    images : `image_digests` of its rows, shape (N, 4)
    n_views : how many views each row needs: 0 for a row without a usable image, else 1 or V; shape (N,)
    """
    sources = [store for store in stores if comparable(store, key, schema)]
    plain, augmented = _Origins.empty(len(images)), _Origins.empty(len(images))
    rejected: dict[int, str] = {}
    for number, store in enumerate(sources):
        frame = store.columns([name for name in _ROW_COLUMNS if name in store.manifest.columns])
        theirs, usable = _digests_of(frame), (frame["status"] == OK).to_numpy()
        plain = plain.with_source(number, rows_of_images(images, theirs, usable), n_views > 0)
        if _same_views(store, key):
            with_views = usable & (frame["split"] == "train").to_numpy()
            augmented = augmented.with_source(number, rows_of_images(images, theirs, with_views), n_views > 1)
        if store.key == key.digest:
            # Equal keys: the same images in the same order.
            rejected |= {row: why for row, why in store.manifest.rejected.items() if 0 <= row < len(images)}
    return Reuse(tuple(sources), plain, augmented, rejected, schema.n_views)


def _digests_of(frame: pd.DataFrame) -> Digests:
    """`image_digests` of a store's columns."""
    return image_digests(len(frame), [frame[name].array for name in ("sha256", *_REGIONS) if name in frame])


def rows_of_images(images: Digests, theirs: Digests, usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """For each of `images` the first usable row with that digest, or -1; shape (N,).

    Rows are looked up by the first number of their digest. Where two different digests share it, one may not be
    found, which costs an encoding.
    """
    rows = np.flatnonzero(usable).astype(np.int32)
    if not len(rows):
        return np.full(len(images), _NO_SOURCE, np.int32)
    rows = rows[np.argsort(theirs[rows, 0], kind="stable")]
    at = np.searchsorted(theirs[rows, 0], images[:, 0])
    candidates = rows[np.minimum(at, len(rows) - 1)]
    for start in range(0, len(images), _BLOCK_ROWS):  # in blocks, as a digest has 32 bytes
        block = slice(start, start + _BLOCK_ROWS)
        candidates[block][~equal_digests(theirs[candidates[block]], images[block])] = _NO_SOURCE
    return candidates


def _same_views(store: Store, key: StoreKey) -> bool:
    """Whether views 1..V-1 of the new store are among those of `store`: drawn alike, and as many."""
    theirs, ours = store.manifest.key_fields["views"], key.views
    drawn_alike = all(theirs.get(name) == ours.get(name) for name in ("seed", "recipe"))
    return drawn_alike and store.n_views() >= ours["count"] > 1
