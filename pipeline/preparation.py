"""Read, check, decode, crop, augment and resize: files -> squares of pixels, in worker processes.

No torch here: a worker starts in a fraction of a second and forks nothing that holds a GPU.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from pipeline.datasets.images import crop, decode
from pipeline.datasets.roots import Root
from pipeline.errors import DatasetError, ImageError, PipelineError
from pipeline.preprocess import Preprocess
from pipeline.views import ViewRecipe, view_rng

__all__ = ["Job", "Prepared", "Preparer", "prepared_batches"]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Job:
    """One image to prepare: its row in the table, where it is, and which views of it are wanted."""

    row: int
    path: str
    sha256: str
    box: tuple[int, int, int, int] | None = None
    views: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Prepared:
    """M views of some images, in the order of the jobs.

    Parameters
    ----------
    rows, views : intp, shape (M,)
    squares : size of square -> uint8, shape (M, size, size, 3)
    rejected : row -> why its image cannot be used
    seconds : of work in the process that prepared it
    """

    rows: npt.NDArray[np.intp]
    views: npt.NDArray[np.intp]
    squares: dict[int, Pixels]
    rejected: dict[int, str]
    seconds: float


@dataclass(frozen=True)
class Preparer:
    """What is done to every image.

    Parameters
    ----------
    root : where the images are; opened anew in every worker
    preprocess : of the encoder
    sizes : sides of the squares to make: the encoder's, and that of the `pixels` output if it is kept
    views, seed : the augmentation recipe and its seed
    """

    root: Root
    preprocess: Preprocess
    sizes: tuple[int, ...]
    views: ViewRecipe
    seed: int

    def __call__(self, jobs: Sequence[Job]) -> Prepared:
        start = time.perf_counter()
        done: list[tuple[int, int, list[Pixels]]] = []
        rejected: dict[int, str] = {}
        for job in jobs:
            data = self._read(job)
            try:
                image = decode(data)
                image = crop(image, job.box) if job.box else image
                done += [(job.row, view, self._squares(image, job, view)) for view in job.views]
            except ImageError as error:
                rejected[job.row] = str(error)
        squares = {
            size: np.stack([made[i] for *_, made in done]) if done else np.empty((0, size, size, 3), np.uint8)
            for i, size in enumerate(self.sizes)
        }
        rows, views = (np.array([item[i] for item in done], np.intp) for i in (0, 1))
        return Prepared(rows, views, squares, rejected, time.perf_counter() - start)

    def _read(self, job: Job) -> bytes:
        """The file's bytes. A file that is not the one in the table is no bad image but another dataset."""
        try:
            data = self.root.read(job.path)
        except ImageError as error:
            raise DatasetError(
                f"{job.path} was there when it was indexed, now: {error}. Index the dataset again"
            ) from error
        if hashlib.sha256(data).hexdigest() != job.sha256:
            raise DatasetError(f"{job.path} is not the file that was indexed (row {job.row}). Index the dataset again")
        return data

    def _squares(self, image: Pixels, job: Job, view: int) -> list[Pixels]:
        if view == 0:
            return [self.preprocess.with_size(size)(image) for size in self.sizes]
        rng = view_rng(self.seed, job.sha256, job.box, view)
        image = self.views.before_resize(image, rng)
        fill = tuple(round(255 * mean) for mean in self.preprocess.mean)
        state = rng.bit_generator.state
        made = []
        for size in self.sizes:
            rng.bit_generator.state = state  # the same flip and the same erased share of every square
            made.append(self.views.after_resize(self.preprocess.with_size(size)(image), rng, fill))
        return made


def prepared_batches(
    preparer: Preparer, batches: Iterable[Sequence[Job]], workers: int, ahead: int = 4
) -> Generator[Prepared, None, None]:
    """Prepare batches of jobs in `workers` processes, in order, at most `ahead` batches a worker in advance.

    Raises
    ------
    DatasetError
        If a file is gone or changed since it was indexed.
    PipelineError
        If a worker process dies.
    """
    if workers == 0:
        yield from map(preparer, batches)
        return
    with _pool(preparer, workers) as pool:
        batches = iter(batches)
        waiting: deque[Future[Prepared]] = deque(pool.submit(_prepare, b) for b in islice(batches, workers * ahead))
        while waiting:
            prepared = waiting.popleft().result()
            waiting.extend(pool.submit(_prepare, batch) for batch in islice(batches, 1))
            yield prepared


@contextmanager
def _pool(preparer: Preparer, workers: int) -> Iterator[ProcessPoolExecutor]:
    # spawn: a fork would copy locks that torch's and zarr's threads hold in the parent.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start_worker, (preparer, os.getpid()))
    try:
        yield pool
    except BrokenProcessPool as error:  # of a result, or of a submit after the death
        raise PipelineError("a decode worker died, perhaps of too little memory: try fewer --workers") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_preparer: Preparer | None = None


def _start_worker(preparer: Preparer, parent: int) -> None:
    global _preparer  # a worker process prepares for one run only
    _preparer = preparer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()


def _exit_with(parent: int) -> None:
    """A parent killed with SIGKILL cannot stop its workers: they must notice."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _prepare(jobs: Sequence[Job]) -> Prepared:
    assert _preparer is not None  # _start_worker has run
    return _preparer(jobs)
