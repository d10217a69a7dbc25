"""The C library's allocator: whether freed memory goes back to the system."""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next batch, instead of returning it to the system.

    Every batch allocates the same large activations; on the CPU their page faults took a third of the time
    (EfficientNet-Lite0, 64 x 224 px: 2.7 million faults in 256 images, 75 thousand with this), and a tenth of a
    training step of `small` (32 x 64 px: 1,000 faults, 15 with this). Encoders and heads run in threads, whose own
    arenas would give memory back all the same: all threads that begin after this share one.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return
    mallopt(_M_MMAP_THRESHOLD, 2**30)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_M_ARENA_MAX, 1)
