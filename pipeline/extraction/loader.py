"""From shards to batches of prepared images, some of them in advance."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from pipeline.datasets.roots.containers import SEPARATOR
from pipeline.encoders.staging import BatchTransfer, Stage
from pipeline.extraction.batches import full_batches
from pipeline.extraction.prefetch import wait_for
from pipeline.extraction.shards import Shard
from pipeline.images.prepare import ImageBatch, Preparer
from pipeline.images.reading import ImageRow
from pipeline.images.rejects import AlikeRejects
from pipeline.timings import Timings
from pipeline.video.formats import is_video

__all__ = ["BatchLoader", "StagedBatch", "tasks_of"]

_IMAGES_PER_TASK = 32
_FRAMES_PER_TASK = 256  # of one video, that a task may have more: its squares wait in memory until they are encoded


@dataclass(frozen=True)
class StagedBatch:
    """A batch of a shard, and its squares on their way to the encoder's device."""

    shard: Shard
    batch: ImageBatch
    pixels: BatchTransfer


@dataclass(frozen=True)
class _Task:
    """Some images of the shard at `position` of the run, prepared by a decode thread."""

    position: int
    shard: Shard
    images: Sequence[ImageRow]
    prepared: Future[ImageBatch]


@dataclass(frozen=True)
class BatchLoader:
    """Prepares the images of shards in threads.

    Parameters
    ----------
    preparer, timings : what is done to an image, and where the seconds are recorded
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

    def batches(self, shards: Iterable[Shard]) -> Generator[StagedBatch | Shard, None, None]:
        """The batches of each shard, and after them the shard itself, which is whole once they are encoded."""
        size = self.preparer.transform.preprocess.size
        with closing(self._tasks(shards)) as tasks:
            for shard, of_shard in groupby(tasks, attrgetter("shard")):
                for batch in full_batches(self._prepared(of_shard), self.batch_size):
                    yield StagedBatch(shard, batch, self.stage(batch.squares[size]))
                yield shard

    def _tasks(self, shards: Iterable[Shard]) -> Generator[_Task, None, None]:
        """Tasks for the decode threads: enough for two batches in advance, and none of the shard after the next.

        Images that wait in memory: `most` tasks of `_IMAGES_PER_TASK`; of videos one longer task for each thread.
        """
        most = self.decoders + 2 * math.ceil(self.batch_size / _IMAGES_PER_TASK)
        waiting: deque[_Task] = deque()
        try:
            for position, shard in enumerate(shards):
                for images in tasks_of(shard.images):
                    waiting.append(
                        _Task(position, shard, images, self.pool.submit(self.preparer, images, self.timings))
                    )
                    while self._is_enough(waiting, most) or waiting[0].position < position - 1:
                        yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for task in waiting:
                task.prepared.cancel()

    def _is_enough(self, waiting: Collection[_Task], most: int) -> bool:
        n_images = sum(len(task.images) for task in waiting)
        return len(waiting) > most or (len(waiting) > self.decoders and n_images > most * _IMAGES_PER_TASK)

    def _prepared(self, tasks: Iterable[_Task]) -> Iterator[ImageBatch]:
        for task in tasks:
            batch = wait_for(task.prepared)
            task.shard.rejected.update(batch.rejected)
            if self.alike:
                for image in task.images:
                    self.alike.add(image.path, batch.rejected.get(image.row, ""))
            yield batch


def tasks_of(images: tuple[ImageRow, ...]) -> list[tuple[ImageRow, ...]]:
    """Images for one task each. No images make one task too, so that their shard comes out in order.

    Frames of a video that follow each other are not divided, so that one thread decodes them in one pass.
    """
    tasks: list[tuple[ImageRow, ...]] = []
    start = 0
    while start < len(images):
        end = min(start + _IMAGES_PER_TASK, len(images))
        if video := _video_of(images[end - 1]):
            most = min(start + _IMAGES_PER_TASK + _FRAMES_PER_TASK, len(images))
            while end < most and _video_of(images[end]) == video:
                end += 1
        tasks.append(images[start:end])
        start = end
    return tasks or [()]


def _video_of(image: ImageRow) -> str:
    """The video that an image is a frame of; empty if it is none."""
    video, separator, _ = image.path.partition(SEPARATOR)
    return video if separator and is_video(video) else ""
