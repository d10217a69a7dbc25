"""Rows of one table that are the same image: it is encoded for the first of them, and the others get a copy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline.images.prepare import Job

__all__ = ["Copy", "Repeats"]

Rows = npt.NDArray[np.intp]
_NOWHERE = -1


@dataclass(frozen=True, eq=False)
class Copy:
    """Rows of one shard that repeat rows of the same store.

    Parameters
    ----------
    shard : where the repeated rows are: an earlier shard, or the same one
    rows : the repeated rows, intp, shape (M,)
    at : the rows that repeat them, intp, shape (M,)
    views : which views are copied
    """

    shard: int
    rows: Rows
    at: Rows
    views: range


@dataclass(frozen=True, eq=False)
class Repeats:
    """For each row the earlier row whose plain view, or augmented views, it repeats; -1 for none. shape (N,) each.

    Views of one image are drawn alike on every row: from the seed, the image's bytes and its box, see `view_rng`.
    """

    plain: Rows
    augmented: Rows

    @classmethod
    def among(cls, jobs: Iterable[Job], images: npt.NDArray[np.object_]) -> tuple[list[Job], Self]:
        """The jobs without views that an earlier job has of the same image, and where those are.

        Parameters
        ----------
        jobs : in the order of their rows
        images : of all rows of the table: what each is to an encoder, shape (N,); see `cache.reuse.image_keys`
        """
        repeats = cls(*(np.full(len(images), _NOWHERE, np.intp) for _ in range(2)))
        first_plain: dict[str, int] = {}
        first_augmented: dict[str, int] = {}
        left = []
        for job in jobs:
            image, plain = images[job.row], job.views[:1] == (0,)
            views = job.views
            if plain and (first := first_plain.setdefault(image, job.row)) != job.row:
                repeats.plain[job.row], views = first, views[1:]
            if len(job.views) > plain and (first := first_augmented.setdefault(image, job.row)) != job.row:
                repeats.augmented[job.row], views = first, tuple(view for view in views if view == 0)
            if views:
                left.append(job if views == job.views else replace(job, views=views))
        return left, repeats

    def of_shard(self, rows: range, shard_rows: int, n_views: int) -> Iterator[Copy]:
        """What is copied into the shard that holds `rows`.

        Parameters
        ----------
        shard_rows : rows in a whole shard
        n_views : V of the store
        """
        for sources, views in ((self.plain, range(1)), (self.augmented, range(1, n_views))):
            inside = sources[rows.start : rows.stop]
            repeating = np.flatnonzero(inside != _NOWHERE)
            shards = inside[repeating] // shard_rows
            for shard in np.unique(shards):
                taken = repeating[shards == shard]
                yield Copy(int(shard), inside[taken], taken + rows.start, views)
