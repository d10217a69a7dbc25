"""The extraction itself: which threads work at the same time, and how a run ends."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from threading import Event
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline.encoders.protocols import ImageEncoder, starts_images
from pipeline.encoders.staging import staging
from pipeline.extraction.loader import BatchLoader, StagedBatch
from pipeline.extraction.outputs import PIXELS, Output, to_stored
from pipeline.extraction.prefetch import prefetch
from pipeline.extraction.shards import Shard
from pipeline.images.prepare import Preparer
from pipeline.images.rejects import AlikeRejects
from pipeline.progress import OnProgress, Progress
from pipeline.timings import Timings

__all__ = ["Extraction"]


@dataclass
class Extraction:
    """Encodes shards. A context manager: its decode threads live until it is left, across many runs.

    Parameters
    ----------
    encoder, preparer : what is done
    outputs, n_views : what is stored
    batch_size : views of images that the encoder gets at once
    decoders : threads that read, decode and resize; at least 1
    timings : of all runs
    alike : ends a run if the first images of the first one are all rejected for one reason; None tries all

    Notes
    -----
    Threads, not processes: Pillow and hashlib release the interpreter's lock while they work, and what a process sends
    back costs this one more time than that (benchmarks/decoders.py).
    """

    encoder: ImageEncoder
    preparer: Preparer
    outputs: tuple[Output, ...]
    n_views: int
    batch_size: int
    decoders: int
    timings: Timings = field(default_factory=Timings)
    alike: AlikeRejects | None = None
    _pool: ThreadPoolExecutor = field(init=False, repr=False)
    _running: Callable[[], Generator[Shard, None, None] | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.decoders, thread_name_prefix="decode")
        self._running = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_run()
        self._pool.shutdown(cancel_futures=True)

    def run(self, shards: Iterable[Shard], total: int, on_progress: OnProgress) -> Generator[Shard, None, None]:
        """The shards in order, once their images are encoded. A new run ends the one before.

        A batch never crosses shards and short batches are padded, so that a shard's bytes do not depend on what was
        encoded before it: resumed and uninterrupted runs are equal. While the caller writes a shard, the next one is
        encoded and images of the one after it are decoded; beyond that nothing is taken from `shards`, but for a batch
        that an asynchronous encoder gets before it is done with the last one. A run left early, by an error, Ctrl-C or
        `close`, ends after the batch in work.

        Parameters
        ----------
        shards : taken one by one, in another thread
        total : images of all shards; 0 if not known
        on_progress : called for every image that is encoded or rejected, in another thread

        Raises
        ------
        EncoderError
            If a feature is not finite in the dtype that is stored.
        DatasetError
            If a file is gone or changed since it was indexed, or the first images are all rejected for one reason.
        MismatchError
            If a shard's blocks are not made for the outputs.
        """
        self._end_run()
        running = self._run(shards, total, on_progress)
        self._running = weakref.ref(running)  # a caller who drops it ends it at once
        return running

    def _end_run(self) -> None:
        if (running := self._running()) is not None:  # it may still be referenced, perhaps by a traceback
            running.close()

    def _run(self, shards: Iterable[Shard], total: int, on_progress: OnProgress) -> Generator[Shard, None, None]:
        stop = Event()
        with (
            closing(self._loader().batches(self._checked(shards))) as batches,
            closing(prefetch(batches)) as staged,
            closing(self._encoded(staged, stop, _Counter(total, on_progress))) as encoded,
        ):
            yield from prefetch(encoded, stop.set)

    def _checked(self, shards: Iterable[Shard]) -> Iterator[Shard]:
        for shard in shards:
            shard.check(self.outputs, self.n_views)
            yield shard

    def _loader(self) -> BatchLoader:
        stage = staging(self.encoder.device)
        return BatchLoader(self.preparer, self.timings, self._pool, self.decoders, self.batch_size, stage, self.alike)

    def _encoded(
        self, batches: Iterator[StagedBatch | Shard], stop: Event, counter: _Counter
    ) -> Generator[Shard, None, None]:
        started: deque[_Started | Shard] = deque()
        while (step := self._next(batches)) is not None:
            if stop.is_set():
                raise CancelledError
            if isinstance(step, Shard):
                started.append(step)
            else:
                with self.timings.measure("encode"):
                    started.append(self._start(step))
            yield from self._finished(started, counter)
        yield from self._finished(started, counter, wait=True)

    def _finished(
        self, started: deque[_Started | Shard], counter: _Counter, wait: bool = False
    ) -> Generator[Shard, None, None]:
        """Finish what was started, in order, and give the shards that are whole.

        A batch that is being computed is left there, until another one is: then no core waits for the last of its rows.
        """
        while started:
            step = started[0]
            if isinstance(step, Shard):
                counter.rejected(len(step.rejected))
                yield step
            elif wait or not step.is_async or any(isinstance(later, _Started) for later in islice(started, 1, None)):
                with self.timings.measure("encode"):
                    self._fill(step.staged, step.features())
                counter.encoded(step.staged.batch.rows)
            else:
                return
            started.popleft()

    def _next(self, batches: Iterator[StagedBatch | Shard]) -> StagedBatch | Shard | None:
        with self.timings.measure("wait"):
            return next(batches, None)

    def _start(self, staged: StagedBatch) -> _Started:
        names = [output.name for output in self.outputs if output.name != PIXELS]
        pixels = staged.pixels()
        if starts_images(self.encoder) and (result := self.encoder.start_images(pixels, names)):
            return _Started(staged, result, is_async=True)
        features = self.encoder.encode_images(pixels, names)
        return _Started(staged, lambda: features, is_async=False)

    def _fill(self, staged: StagedBatch, features: Mapping[str, npt.NDArray[np.float32]]) -> None:
        batch, n = staged.batch, len(staged.batch.rows)
        at = batch.views, batch.rows - staged.shard.rows.start
        for output in self.outputs:
            block = staged.shard.blocks[output.name]
            if output.name == PIXELS:
                block[at] = batch.squares[output.row_shape[0]][:n]
            else:
                block[at] = to_stored(features[output.name][:n], output, batch.rows)


@dataclass(frozen=True)
class _Started:
    """A batch that the encoder has.

    Parameters
    ----------
    features : waits for them
    is_async : whether they are computed in other threads meanwhile
    """

    staged: StagedBatch
    features: Callable[[], Mapping[str, npt.NDArray[np.float32]]]
    is_async: bool


class _Counter:
    """Counts the images that are done. Views of an image follow each other."""

    def __init__(self, total: int, on_progress: OnProgress) -> None:
        self._total, self._on_progress = total, on_progress
        self._done, self._last_row = 0, -1

    def encoded(self, rows: npt.NDArray[np.intp]) -> None:
        self._add(len(np.unique(rows)) - int(rows[0] == self._last_row))
        self._last_row = int(rows[-1])

    def rejected(self, n: int) -> None:
        self._add(n)

    def _add(self, n: int) -> None:
        if n:
            self._done += n
            self._on_progress(Progress("images", self._done, self._total))
