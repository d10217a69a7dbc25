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
    def find(cls, jobs: Iterable[ImageRow], images: npt.NDArray[np.object_]) -> tuple[list[ImageRow], Self]:
        """The jobs without views that an earlier job has of the same image, and where those are.

        Parameters
        ----------
        jobs : in the order of their rows
        images : of all rows of the table: what each is to an encoder, shape (N,); see `cache.reuse.image_keys`
        """
        duplicates = cls(*(np.full(len(images), _NONE, np.intp) for _ in range(2)))
        first_plain: dict[str, int] = {}
        first_augmented: dict[str, int] = {}
        unique = []
        for job in jobs:
            image, plain = images[job.row], job.views[:1] == (0,)
            views = job.views
            if plain and (first := first_plain.setdefault(image, job.row)) != job.row:
                duplicates.plain[job.row], views = first, views[1:]
            if len(job.views) > plain and (first := first_augmented.setdefault(image, job.row)) != job.row:
                duplicates.augmented[job.row], views = first, tuple(view for view in views if view == 0)
            if views:
                unique.append(job if views == job.views else replace(job, views=views))
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
    jobs : what no other store holds, each image once, including what a stopped extract has finished of it
    duplicates : rows that are the same image as a row of `jobs`
    reuse : rows of other stores
    """

    jobs: list[ImageRow]
    duplicates: DuplicateRows
    reuse: Reuse

    @classmethod
    def of(cls, jobs: Iterable[ImageRow], reuse: Reuse, images: npt.NDArray[np.object_]) -> Self:
        """The sources of all jobs' rows; `images` are `cache.reuse.image_keys` of the table's rows, shape (N,)."""
        unique, duplicates = DuplicateRows.find((left for job in jobs if (left := _not_reused(job, reuse))), images)
        return cls(unique, duplicates, reuse)

    def shard_tasks(self, pending: Sequence[int], schema: Schema) -> list[ShardTask]:
        """One task for each shard that is not finished."""
        by_shard: dict[int, list[ImageRow]] = {shard: [] for shard in pending}
        for job in self.jobs:
            if (shard := job.row // schema.shard_rows) in by_shard:
                by_shard[shard].append(job)
        return [self._task(shard, jobs, schema) for shard, jobs in by_shard.items()]

    def _task(self, shard: int, jobs: list[ImageRow], schema: Schema) -> ShardTask:
        rows = schema.rows(shard)
        rejected = {row: self.reuse.rejected[row] for row in rows if row in self.reuse.rejected}
        copies = self.duplicates.copies_into(rows, schema.shard_rows, schema.n_views)
        return ShardTask(shard, rows, tuple(jobs), tuple(self.reuse.copied_rows(rows)), rejected, tuple(copies))


def _not_reused(job: ImageRow, reuse: Reuse) -> ImageRow | None:
    """The job with the views that no store has yet; None if there are none, or if the image is known to be unusable."""
    if job.row in reuse.rejected:
        return None
    views = tuple(view for view in job.views if not reuse.has(job.row, view))
    if views == job.views:
        return job  # no copy: a million of them are memory
    return replace(job, views=views) if views else None
