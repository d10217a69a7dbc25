"""Tasks in threads: torch works outside Python's lock, so heads are trained side by side, each on one core."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch

from pipeline.progress import CombinedProgress, OnProgress, Progress

__all__ = ["concurrently", "raise_if_stopped", "torch_threads"]

_STEP_S = 0.2

T = TypeVar("T")

_worker = threading.local()  # .stop: the event that ends the tasks of this thread


class _Stopped(Exception):
    """Another task failed, or the caller stopped waiting for results."""


@contextmanager
def torch_threads(n: int | None) -> Iterator[int]:
    """Give this thread, and those that `concurrently` starts in the block, `n` threads of torch; None: as many as now.

    Yields how many torch had. torch keeps the number twice: `set_num_threads` changes it for the thread that calls it
    (in OpenMP and in MKL), and for the process, where a new thread takes it from at its first parallel operation. So it
    is set here, once: threads at work that set it would change it for each other's successors.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield before
    finally:
        torch.set_num_threads(before)


def concurrently(tasks: Sequence[Callable[[OnProgress], T]], on_progress: OnProgress, n_threads: int) -> Iterator[T]:
    """The results of `tasks` as they finish; in this thread, one after the other, for one thread.

    The first error is raised, and so is Ctrl-C: tasks that run end at their next progress or `raise_if_stopped`, others
    never begin.

    Parameters
    ----------
    tasks : each is called with what it must call after every step
    on_progress : called by one task at a time, with what all have done together
    n_threads : >= 1
    """
    combined = CombinedProgress(len(tasks), on_progress)
    if n_threads == 1:
        yield from (task(combined.of(i)) for i, task in enumerate(tasks))
        return
    stop, lock = threading.Event(), threading.Lock()

    def report(i: int, progress: Progress) -> None:
        raise_if_stopped()
        with lock:
            combined.of(i)(progress)

    with ThreadPoolExecutor(n_threads, "train", initializer=_begin_worker, initargs=(stop,)) as pool:
        try:
            pending = {pool.submit(task, partial(report, i)) for i, task in enumerate(tasks)}
            while pending:  # in steps, as in `extraction.prefetch.wait_for`: a wait without a limit may ignore Ctrl-C
                done, pending = wait(pending, timeout=_STEP_S, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


def raise_if_stopped() -> None:
    """End the task of `concurrently` that calls this, if its result is not waited for any more; else do nothing."""
    stop: threading.Event | None = getattr(_worker, "stop", None)
    if stop is not None and stop.is_set():
        raise _Stopped


def _begin_worker(stop: threading.Event) -> None:
    _worker.stop = stop
    torch.get_num_threads()  # takes over the process's number, which a matrix product alone would not
