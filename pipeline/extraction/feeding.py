"""From shards to batches of prepared pictures, some of them in advance."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from pipeline.encoders.staging import Arriving, Stage
from pipeline.extraction.ahead import finished
from pipeline.extraction.batches import Batch, full_batches
from pipeline.extraction.shards import Shard, ShardFeatures
from pipeline.images.prepare import ImageBatch, Preparer
from pipeline.images.reading import ImageRow
from pipeline.images.rejects import AlikeRejects
from pipeline.timings import Timings

__all__ = ["Feeder", "Ready"]

_JOBS_PER_TASK = 32


@dataclass(frozen=True)
class Ready:
    """A batch of a shard, and its squares on their way to the encoder's device."""

    shard: Shard
    batch: Batch
    pixels: Arriving


@dataclass(frozen=True)
class _Task:
    """Some jobs of the `turn`-th shard, in the hands of the decode threads."""

    turn: int
    shard: Shard
    jobs: Sequence[ImageRow]
    prepared: Future[ImageBatch]


@dataclass(frozen=True)
class Feeder:
    """Brings prepared pictures to an encoder.

    Parameters
    ----------
    preparer, timings : what is done to a picture, and who hears how long it took
    pool, decoders : the decode threads and their number
    batch_size : B of every batch
    stage : how a batch gets to the encoder's device
    alike : ends the work if its first images are all rejected for one reason; None tries all
    """

    preparer: Preparer
    timings: Timings
    pool: ThreadPoolExecutor
    decoders: int
    batch_size: int
    stage: Stage
    alike: AlikeRejects | None = None

    def batches(self, shards: Iterable[Shard]) -> Generator[Ready | ShardFeatures, None, None]:
        """The batches of each shard, and after them the shard itself, which is whole once they are encoded."""
        with closing(self._tasks(shards)) as tasks:
            for shard, of_shard in groupby(tasks, attrgetter("shard")):
                rejected: dict[int, str] = {}
                for batch in full_batches(self._prepared(of_shard, rejected), self.batch_size):
                    yield Ready(shard, batch, self.stage(batch.squares[self.preparer.transform.preprocess.size]))
                yield ShardFeatures(shard.number, shard.blocks, rejected)

    def _tasks(self, shards: Iterable[Shard]) -> Generator[_Task, None, None]:
        """Hand jobs to the decode threads: enough for two batches in advance, and none of the shard after the next."""
        most = self.decoders + 2 * math.ceil(self.batch_size / _JOBS_PER_TASK)
        waiting: deque[_Task] = deque()
        try:
            for turn, shard in enumerate(shards):
                for jobs in _cut(shard.jobs):
                    waiting.append(_Task(turn, shard, jobs, self.pool.submit(self.preparer, jobs, self.timings)))
                    while len(waiting) > most or waiting[0].turn < turn - 1:
                        yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for task in waiting:
                task.prepared.cancel()

    def _prepared(self, tasks: Iterable[_Task], rejected: dict[int, str]) -> Iterator[ImageBatch]:
        for task in tasks:
            prepared = finished(task.prepared)
            rejected |= prepared.rejected
            if self.alike:
                for job in task.jobs:
                    self.alike.add(job.path, prepared.rejected.get(job.row, ""))
            yield prepared


def _cut(jobs: tuple[ImageRow, ...]) -> list[tuple[ImageRow, ...]]:
    """Jobs for one task each. No jobs make one task too, so that their shard comes out in its turn."""
    return [jobs[i : i + _JOBS_PER_TASK] for i in range(0, len(jobs), _JOBS_PER_TASK)] or [()]
