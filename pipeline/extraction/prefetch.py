"""Work in other threads, in advance of who takes its results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

__all__ = ["parallel_map", "prefetch", "wait_for"]

S = TypeVar("S")
T = TypeVar("T")

_STEP_S = 0.2


def wait_for(future: Future[T]) -> T:
    """The result of `future`, once it has one; Ctrl-C is answered within 0.2 s.

    Some libraries (polars 2.1) have the system restart a wait that a signal interrupted: a wait without a limit would
    then end with the work alone.
    """
    while not wait((future,), timeout=_STEP_S).done:
        pass
    return future.result()


def parallel_map(
    work: Callable[[S], T], items: Iterable[S], threads: int, max_pending: int
) -> Generator[T, None, None]:
    """`work` of each item, in their order, done by some threads in advance.

    Errors are raised here, in the order of the items. When the generator ends, items that were not begun are not done.

    Parameters
    ----------
    items : taken one by one, where the generator runs
    max_pending : items that are taken and whose results are not, at most
    """
    pending: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="parallel-map") as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > max_pending:
                    yield wait_for(pending.popleft())
            while pending:
                yield wait_for(pending.popleft())
        finally:
            for future in pending:
                future.cancel()


def prefetch(items: Iterable[T], stop: Callable[[], object] = lambda: None) -> Generator[T, None, None]:
    """The same items, none of them None: the next one is made in a thread while the caller uses the last.

    Never more than one is made in advance. Errors of `items` are raised here, in order. All items are made in one
    thread, which is gone when the generator ends.

    Parameters
    ----------
    stop : called before the generator waits for its thread to end, for whatever reason it ends; after it `items`
        should come to an end soon
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as thread:
        try:
            pending = thread.submit(next, iterator, None)
            while (item := wait_for(pending)) is not None:
                pending = thread.submit(next, iterator, None)
                yield item
        finally:
            stop()
