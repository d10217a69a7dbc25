"""Work that goes on while the caller is busy."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["one_ahead"]

T = TypeVar("T")


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
            while (item := coming.result()) is not None:
                coming = thread.submit(next, iterator, None)
                yield item
        finally:
            stop()
