"""Tasks in threads: torch works outside Python's lock, so light heads are trained side by side, each on one core."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import partial
from typing import TypeVar

from pipeline.progress import CombinedProgress, OnProgress, Progress

__all__ = ["concurrently"]

_STEP_S = 0.2

T = TypeVar("T")


class _Stopped(Exception):
    """Another task failed, or the caller stopped waiting for results."""


def concurrently(tasks: Sequence[Callable[[OnProgress], T]], on_progress: OnProgress, n_threads: int) -> Iterator[T]:
    """The results of `tasks` as they finish; in this thread, one after the other, for one thread.

    The first error is raised, and so is Ctrl-C: tasks that run end at their next progress, others never begin.

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
        if stop.is_set():
            raise _Stopped
        with lock:
            combined.of(i)(progress)

    with ThreadPoolExecutor(n_threads) as pool:
        try:
            pending = {pool.submit(task, partial(report, i)) for i, task in enumerate(tasks)}
            while pending:  # in steps, as in `extraction.prefetch.wait_for`: a wait without a limit may ignore Ctrl-C
                done, pending = wait(pending, timeout=_STEP_S, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
