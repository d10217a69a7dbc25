"""Work on several items at the same time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["n_threads", "side_by_side"]

_MOST = 8  # threads: more of them wait for the same disk or memory

Item = TypeVar("Item")
Result = TypeVar("Result")


def n_threads(n_items: int) -> int:
    """How many threads share `n_items`: no more than cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(_MOST, cores, n_items))


def side_by_side(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`function` of every item, in the order of the items.

    No thread outlives the call. If some items fail, the error of the first of them is raised: the same one however
    many threads there are.
    """
    n = n_threads(len(items))
    if n == 1:
        return [function(item) for item in items]
    results: dict[int, Result] = {}
    at = [0] * n

    def work(first: int) -> None:
        for i in range(first, len(items), n):
            at[first] = i
            results[i] = function(items[i])

    with ThreadPoolExecutor(n) as pool:
        shares = [pool.submit(work, first) for first in range(n)]
    errors = {at[first]: error for first, share in enumerate(shares) if (error := share.exception())}
    if errors:
        raise errors[min(errors)]
    return [results[i] for i in range(len(items))]
