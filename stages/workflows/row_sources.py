"""Where every row of a new store comes from: an encoder, another store, or an equal image on an earlier row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from cache.reuse import Reuse
from cache.schema import Schema
from pipeline.images.reading import ImageRow
from stages.workflows.shards import RowCopies, ShardTask

__all__ = ["DuplicateRows", "RowSources"]

Rows = npt.NDArray[np.intp]
_NONE = -1


@dataclass(frozen=True, eq=False)
class DuplicateRows:
    """For each row the earlier row whose plain view, or augmented views, it repeats; -1 for none. shape (N,) each.

    Views of one image are drawn alike on every row: from the seed, the image's bytes and its box, see `view_rng`.
    """

    plain: Rows
    augmented: Rows

    @classmethod
    def find(cls, images: Iterable[ImageRow], keys: npt.NDArray[np.object_]) -> tuple[list[ImageRow], Self]:
        """The images without the views that an earlier row has of the same image, and where those are.

        Parameters
        ----------
        images : in the order of their rows
        keys : of the images of all rows of the table: what each is to an encoder, shape (N,); see
            `cache.reuse.image_keys`
        """
        duplicates = cls(*(np.full(len(keys), _NONE, np.intp) for _ in range(2)))
        first_plain: dict[str, int] = {}
        first_augmented: dict[str, int] = {}
        unique = []
        for image in images:
            key, plain = keys[image.row], image.views[:1] == (0,)
            views = image.views
            if plain and (first := first_plain.setdefault(key, image.row)) != image.row:
                duplicates.plain[image.row], views = first, views[1:]
            if len(image.views) > plain and (first := first_augmented.setdefault(key, image.row)) != image.row:
                duplicates.augmented[image.row], views = first, tuple(view for view in views if view == 0)
            if views:
                unique.append(image if views == image.views else replace(image, views=views))
        return unique, duplicates

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
                yield RowCopies(int(shard), inside[of_shard], of_shard + rows.start, views)


@dataclass(frozen=True)
class RowSources:
    """The images to encode, and where all other rows come from.

    Parameters
    ----------
    images : what no other store holds, each image once, including what a stopped extract has finished of it
    duplicates : rows that are the same image as a row of `images`
    reuse : rows of other stores
    """

    images: list[ImageRow]
    duplicates: DuplicateRows
    reuse: Reuse

    @classmethod
    def of(cls, images: Iterable[ImageRow], reuse: Reuse, keys: npt.NDArray[np.object_]) -> Self:
        """The sources of all images' rows; `keys` are `cache.reuse.image_keys` of the table's rows, shape (N,)."""
        unique, duplicates = DuplicateRows.find((left for image in images if (left := _not_reused(image, reuse))), keys)
        return cls(unique, duplicates, reuse)

    def shard_tasks(self, pending: Sequence[int], schema: Schema) -> list[ShardTask]:
        """One task for each shard that is not finished."""
        by_shard: dict[int, list[ImageRow]] = {shard: [] for shard in pending}
        for image in self.images:
            if (shard := image.row // schema.shard_rows) in by_shard:
                by_shard[shard].append(image)
        return [self._task(shard, images, schema) for shard, images in by_shard.items()]

    def _task(self, shard: int, images: list[ImageRow], schema: Schema) -> ShardTask:
        rows = schema.rows(shard)
        rejected = {row: self.reuse.rejected[row] for row in rows if row in self.reuse.rejected}
        copies = self.duplicates.copies_into(rows, schema.shard_rows, schema.n_views)
        return ShardTask(shard, rows, tuple(images), tuple(self.reuse.copied_rows(rows)), rejected, tuple(copies))


def _not_reused(image: ImageRow, reuse: Reuse) -> ImageRow | None:
    """The image with the views that no store has yet; None if there are none, or if it is known to be unusable."""
    if image.row in reuse.rejected:
        return None
    views = tuple(view for view in image.views if not reuse.has(image.row, view))
    if views == image.views:
        return image  # no copy: a million of them are memory
    return replace(image, views=views) if views else None
