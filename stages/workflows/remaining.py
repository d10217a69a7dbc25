"""What an extract has to encode: what no other store holds, each image once, shard by shard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from cache.reuse import Reuse
from cache.schema import Schema
from pipeline.images.prepare import Job
from stages.workflows.repeats import Repeats
from stages.workflows.shards import ShardTask

__all__ = ["Remaining"]


@dataclass(frozen=True)
class Remaining:
    """The images to encode, and where all other rows come from.

    Parameters
    ----------
    jobs : what no other store holds, each image once; what a stopped extract has finished of it counts as well
    repeats : rows that are the same image as a row of `jobs`
    reuse : rows of other stores
    """

    jobs: list[Job]
    repeats: Repeats
    reuse: Reuse

    @classmethod
    def of(cls, jobs: Iterable[Job], reuse: Reuse, images: npt.NDArray[np.object_]) -> Self:
        """What is left of all jobs; `images` are `cache.reuse.image_keys` of the table's rows, shape (N,)."""
        left, repeats = Repeats.among((job for whole in jobs if (job := _left_to_do(whole, reuse))), images)
        return cls(left, repeats, reuse)

    def tasks(self, pending: Sequence[int], schema: Schema) -> list[ShardTask]:
        """The shards that have to be made."""
        by_shard: dict[int, list[Job]] = {shard: [] for shard in pending}
        for job in self.jobs:
            if (shard := job.row // schema.shard_rows) in by_shard:
                by_shard[shard].append(job)
        return [self._task(shard, jobs, schema) for shard, jobs in by_shard.items()]

    def _task(self, shard: int, jobs: list[Job], schema: Schema) -> ShardTask:
        rows = schema.rows(shard)
        rejected = {row: self.reuse.rejected[row] for row in rows if row in self.reuse.rejected}
        copies = self.repeats.of_shard(rows, schema.shard_rows, schema.n_views)
        return ShardTask(shard, rows, tuple(jobs), tuple(self.reuse.copied_rows(rows)), rejected, tuple(copies))


def _left_to_do(job: Job, reuse: Reuse) -> Job | None:
    """The job with the views that no store has yet; None if there are none, or if the image is known to be unusable."""
    if job.row in reuse.rejected:
        return None
    views = tuple(view for view in job.views if not reuse.has(job.row, view))
    if views == job.views:
        return job  # no copy: a million of them are memory
    return replace(job, views=views) if views else None
