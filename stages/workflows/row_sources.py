"""Where every row of a new store comes from: an encoder, another store, or an equal image on an earlier row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, overload

import numpy as np
import numpy.typing as npt

from cache.reuse import Digests, Reuse, equal_digests
from cache.schema import Schema
from stages.workflows.image_rows import BLOCK_ROWS, ImageRows
from stages.workflows.shards import RowCopies, ShardTask

__all__ = ["DuplicateRows", "RowSources", "ShardTasks"]

Rows = npt.NDArray[np.int32]
_NONE = -1


@dataclass(frozen=True, eq=False)
class DuplicateRows:
    """For each row the earlier row whose plain view, or augmented views, it repeats; -1 for none. shape (N,) each.

    Views of one image are drawn alike on every row: from the seed, the image's bytes and its box, see `view_rng`.
    """

    plain: Rows
    augmented: Rows

    @classmethod
    def find(cls, images: ImageRows, digests: Digests) -> tuple[ImageRows, Self]:
        """The images without the views that an earlier row has of the same image, and where those are.

        Parameters
        ----------
        digests : of the images of all rows of the table: what each is to an encoder, shape (N, 4); see
            `cache.reuse.image_digests`
        """
        plain, augmented = (_first_rows(digests, views) for views in (images.plain, images.augmented))
        return images.with_views(images.plain & (plain == _NONE), images.augmented & (augmented == _NONE)), cls(
            plain, augmented
        )

    def copies_into(self, rows: range, shard_rows: int, n_views: int) -> Iterator[RowCopies]:
        """What is copied into the shard that holds `rows`.

        Parameters
        ----------
        shard_rows : rows in a whole shard
        n_views : V of the store
        """
        for sources, views in ((self.plain, range(1)), (self.augmented, range(1, n_views))):
            inside = sources[rows.start : rows.stop]
            duplicates = np.flatnonzero(inside != _NONE)
            shards = inside[duplicates] // shard_rows
            for shard in np.unique(shards):
                of_shard = duplicates[shards == shard]
                yield RowCopies(int(shard), inside[of_shard].astype(np.intp), of_shard + rows.start, views)


def _first_rows(digests: Digests, needed: npt.NDArray[np.bool_]) -> Rows:
    """For each needed row the first one of the same image, if that is an earlier one, else -1; shape (N,).

    Rows are compared with the first one whose digest begins with the same number: another image there, which no
    dataset will have, would be encoded once more.
    """
    nothing = np.broadcast_to(np.int32(_NONE), needed.shape)
    rows = np.flatnonzero(needed).astype(np.int32)
    if not len(rows):
        return nothing
    beginnings = digests[rows, 0]
    order = np.argsort(beginnings, kind="stable").astype(np.int32)
    rows, beginnings = rows[order], beginnings[order]
    is_head = np.r_[True, beginnings[1:] != beginnings[:-1]]
    if is_head.all():
        return nothing
    heads = rows[is_head][np.cumsum(is_head, dtype=np.int32) - 1]
    first = nothing.copy()
    for start in range(0, len(rows), BLOCK_ROWS):  # in blocks, as a digest has 32 bytes
        of_block, head = rows[start : start + BLOCK_ROWS], heads[start : start + BLOCK_ROWS]
        repeats = (head != of_block) & equal_digests(digests[head], digests[of_block])
        first[of_block[repeats]] = head[repeats]
    return first


@dataclass(frozen=True)
class RowSources:
    """The images to encode, and where all other rows come from.

    Parameters
    ----------
    images : what no other store holds, each image once, including what a stopped extract has finished of it
    duplicates : rows that are the same image as a row of `images`
    reuse : rows of other stores
    """

    images: ImageRows
    duplicates: DuplicateRows
    reuse: Reuse

    @classmethod
    def of(cls, images: ImageRows, reuse: Reuse, digests: Digests) -> Self:
        """The sources of all images' rows; `digests` are `cache.reuse.image_digests` of the table's rows."""
        unique, duplicates = DuplicateRows.find(_not_reused(images, reuse), digests)
        return cls(unique, duplicates, reuse)

    def shard_tasks(self, pending: Sequence[int], schema: Schema) -> ShardTasks:
        """One task for each shard that is not finished."""
        return ShardTasks(self, pending, schema)

    def n_encoded(self, rows: range, rejected: Mapping[int, str]) -> int:
        """How many images of a shard could be encoded; `rejected` are its rows that could not be used."""
        return self.images.n_on_rows(rows) - sum(bool(self.images.needed[row]) for row in rejected)

    def task(self, shard: int, schema: Schema) -> ShardTask:
        rows = schema.rows(shard)
        rejected = {row: self.reuse.rejected[row] for row in rows if row in self.reuse.rejected}
        copies = self.duplicates.copies_into(rows, schema.shard_rows, schema.n_views)
        images, reused = self.images.on_rows(rows), tuple(self.reuse.copied_rows(rows))
        return ShardTask(shard, rows, images, reused, rejected, tuple(copies))


@dataclass(frozen=True, eq=False)
class ShardTasks(Sequence[ShardTask]):
    """The shards that are not finished, each created when it is read."""

    sources: RowSources
    pending: Sequence[int]
    schema: Schema

    def __len__(self) -> int:
        return len(self.pending)

    @overload
    def __getitem__(self, at: int) -> ShardTask: ...
    @overload
    def __getitem__(self, at: slice) -> ShardTasks: ...
    def __getitem__(self, at: int | slice) -> ShardTask | ShardTasks:
        if isinstance(at, slice):
            return ShardTasks(self.sources, self.pending[at], self.schema)
        return self.sources.task(self.pending[at], self.schema)

    @property
    def n_images(self) -> int:
        """How many images are encoded for all of them."""
        return sum(self.sources.images.n_on_rows(self.schema.rows(shard)) for shard in self.pending)


def _not_reused(images: ImageRows, reuse: Reuse) -> ImageRows:
    """The images with the views that no store has yet, those left out that are known to be unusable."""
    plain, augmented = images.plain & ~reuse.has_plain, images.augmented & ~reuse.has_augmented
    for views in (plain, augmented):
        views[list(reuse.rejected)] = False
    return images.with_views(plain, augmented)
