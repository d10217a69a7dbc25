"""A batch on the CPU in pieces, which threads encode side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier
from typing import TypeVar

import torch

from pipeline.encoders.runtimes.graphs import Pixels

__all__ = ["PieceThreads", "pieces_of"]

T = TypeVar("T")

# Rows of a piece, at least. With fewer, oneDNN and MKL may choose other kernels, whose last bits differ; with more,
# the activations of a convolutional network leave the processor's cache.
_ROWS = 16
_MOST_THREADS = 4  # pieces in work at once: together they have the activations of one batch of 64


def pieces_of(pixels: Pixels) -> list[Pixels]:
    """The batch in as many pieces of at least 16 rows as it has, of nearly equal lengths: views, nothing is copied.

    They depend on the length of the batch only. So do the bits of a feature: each piece is computed as if alone.
    """
    n = max(1, len(pixels) // _ROWS)
    bounds = [len(pixels) * i // n for i in range(n + 1)]
    return [pixels[start:stop] for start, stop in pairwise(bounds)]


class PieceThreads:
    """Threads that share the cores: few operations are large enough to be split well between many.

    1,200 images of 160 px with `mini` took 6.5 s on one thread of torch, and still 5.2 s on two of two cores.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._n_cores = 0

    def start(self, work: Callable[[Pixels], T], pieces: list[Pixels]) -> Callable[[], list[T]] | None:
        """Begin `work` of each piece; None where torch has one thread, or there is one piece: then nothing is gained.

        Not for several callers at once.

        Returns
        -------
        A call that waits for the results, in the order of the pieces. It raises the first error, after which pieces
        that were not begun are not done.
        """
        n_cores = torch.get_num_threads()
        if n_cores == 1 or len(pieces) == 1:
            return None
        pool = self._pool_for(n_cores)
        futures = [pool.submit(work, piece) for piece in pieces]

        def results() -> list[T]:
            try:
                return [future.result() for future in futures]
            finally:
                for future in futures:
                    future.cancel()

        return results

    def _pool_for(self, n_cores: int) -> ThreadPoolExecutor:
        if self._pool is None or n_cores != self._n_cores:
            if self._pool is not None:
                self._pool.shutdown()
            self._pool, self._n_cores = _start_threads(n_cores), n_cores
        return self._pool


def _start_threads(n_cores: int) -> ThreadPoolExecutor:
    """A pool whose threads have `n_cores` threads of torch together, the same number each."""
    of_each = -(-n_cores // _MOST_THREADS)
    n_threads = n_cores // of_each
    all_started = Barrier(n_threads)
    pool = ThreadPoolExecutor(n_threads, "pieces", initializer=_begin_thread, initargs=(of_each,))
    for started in [pool.submit(all_started.wait) for _ in range(n_threads)]:
        started.result()
    torch.set_num_threads(n_cores)  # theirs is the number of new threads of this process, too, until it is set again
    return pool


def _begin_thread(n_threads: int) -> None:
    torch.set_num_threads(n_threads)
    torch.get_num_threads()  # else its first operation would take over the number that the process has by then
