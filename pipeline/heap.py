"""What the C library does with freed memory: every batch allocates the same large activations again."""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory", "share_one_heap"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


def share_one_heap() -> None:
    """Let all threads of this process allocate from one heap. Call it before any other thread allocates.

    A heap of a thread returns its memory to the system, whatever `keep_freed_memory` says, and the thread that encodes
    may get the heap of one that a library started earlier: numpy and pandas start some when they are imported.
    `extract` of 1,200 images with `mini` then had 2.7 million page faults, 5.3 s of CPU time.
    """
    _mallopt({_M_ARENA_MAX: 1})


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next batch, instead of returning it to the system.

    Every batch allocates the same large activations; on the CPU their page faults took a third of the time
    (EfficientNet-Lite0, 64 x 224 px: 2.7 million faults in 256 images, 75 thousand with this), and a tenth of a
    training step of `small` (32 x 64 px: 1,000 faults, 15 with this), and an eighth of drawing a face (300 faults, 1).
    """
    _mallopt({_M_MMAP_THRESHOLD: 2**30, _M_TRIM_THRESHOLD: 2**31 - 1, _M_ARENA_MAX: 1})


def _mallopt(options: dict[int, int]) -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return
    for name, value in options.items():
        mallopt(name, value)
