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

__all__ = ["concurrently", "n_side_by_side", "raise_if_stopped", "torch_threads"]

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


def n_side_by_side(n_unfinished: int, n_threads: int) -> int:
    """How many of `n_unfinished` tasks may run at once: `n_threads`, and the last 2 * n_threads - 1 together.

    Five equal tasks on two cores as 2 + 2 + 1 leave a core idle while the last one runs; as 2 + 3 none is. More than
    2 * n_threads - 1 are never in memory.
    """
    return n_unfinished if n_unfinished < 2 * n_threads else n_threads


def concurrently(tasks: Sequence[Callable[[OnProgress], T]], on_progress: OnProgress, n_threads: int) -> Iterator[T]:
    """The results of `tasks` as they finish; in this thread, one after the other, for one thread.

    The first error is raised, and so is Ctrl-C: tasks that run end at their next progress or `raise_if_stopped`, others
    never begin.

    Parameters
    ----------
    tasks : each is called with what it must call after every step
    on_progress : called by one task at a time, with what all have done together
    n_threads : >= 1, cores that the tasks share; see `n_side_by_side`
    """
    combined = CombinedProgress(len(tasks), on_progress)
    if n_threads == 1:
        yield from (task(combined.of(i)) for i, task in enumerate(tasks))
        return
    stop, lock = threading.Event(), threading.Lock()
    turns = _Turns(len(tasks), n_threads, stop)

    def report(i: int, progress: Progress) -> None:
        raise_if_stopped()
        with lock:
            combined.of(i)(progress)

    def in_turn(i: int, task: Callable[[OnProgress], T]) -> T:
        with turns.of(i):
            return task(partial(report, i))

    with ThreadPoolExecutor(2 * n_threads - 1, "train", initializer=_begin_worker, initargs=(stop,)) as pool:
        try:
            pending = {pool.submit(in_turn, i, task) for i, task in enumerate(tasks)}
            while pending:  # in steps, as in `extraction.prefetch.wait_for`: a wait without a limit may ignore Ctrl-C
                done, pending = wait(pending, timeout=_STEP_S, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


class _Turns:
    """Lets tasks run in their order, as many at once as `n_side_by_side` allows; the others wait."""

    def __init__(self, n_tasks: int, n_threads: int, stop: threading.Event) -> None:
        self._n_tasks, self._n_threads, self._stop = n_tasks, n_threads, stop
        self._n_finished = 0
        self._condition = threading.Condition()

    @contextmanager
    def of(self, i: int) -> Iterator[None]:
        """The turn of task `i`."""
        with self._condition:
            self._condition.wait_for(lambda: self._may_run(i) or self._stop.is_set())
        try:
            raise_if_stopped()
            yield
        finally:
            with self._condition:
                self._n_finished += 1
                self._condition.notify_all()

    def _may_run(self, i: int) -> bool:
        n_unfinished = self._n_tasks - self._n_finished
        return i < self._n_finished + n_side_by_side(n_unfinished, self._n_threads)


def raise_if_stopped() -> None:
    """End the task of `concurrently` that calls this, if its result is not waited for any more; else do nothing."""
    stop: threading.Event | None = getattr(_worker, "stop", None)
    if stop is not None and stop.is_set():
        raise _Stopped


def _begin_worker(stop: threading.Event) -> None:
    _worker.stop = stop
    torch.get_num_threads()  # takes over the process's number, which a matrix product alone would not
