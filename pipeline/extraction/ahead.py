"""Work that goes on while the caller is busy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

__all__ = ["each_ahead", "finished", "one_ahead"]

S = TypeVar("S")
T = TypeVar("T")

_STEP_S = 0.2


def finished(future: Future[T]) -> T:
    """The result of `future`, once it has one; Ctrl-C is answered within 0.2 s.

    Some libraries (polars 2.1) have the system restart a wait that a signal interrupted: a wait without a limit would
    then end with the work alone.
    """
    while not wait((future,), timeout=_STEP_S).done:
        pass
    return future.result()


def each_ahead(work: Callable[[S], T], items: Iterable[S], threads: int, most: int) -> Generator[T, None, None]:
    """`work` of each item, in their order, done by some threads in advance.

    Errors are raised here, in their turn. When the generator ends, what was not begun is left undone.

    Parameters
    ----------
    items : taken one by one, where the generator runs
    most : items that are taken and not yet given, at most
    """
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="each-ahead") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > most:
                    yield finished(waiting.popleft())
            while waiting:
                yield finished(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()


def one_ahead(items: Iterable[T], stop: Callable[[], object] = lambda: None) -> Generator[T, None, None]:
    """The same items, none of them None: the next one is made in a thread while the caller uses the last.

    Never more than one is made in advance. Errors of `items` are raised here, in their turn. All items are made in one
    thread, which is gone when the generator ends.

    Parameters
    ----------
    stop : called before the generator waits for its thread to end, for whatever reason it ends; after it `items`
        should come to an end soon
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        try:
            coming = thread.submit(next, iterator, None)
            while (item := finished(coming)) is not None:
                coming = thread.submit(next, iterator, None)
                yield item
        finally:
            stop()
