"""How many cores this process may use, and threads for those that share them."""

from __future__ import annotations

import os

__all__ = ["n_cores", "threads_each"]


def n_cores() -> int:
    """Cores that this process may use: at least 1, and fewer than the machine has where its affinity is limited."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_each(n_processes: int) -> int:
    """Threads of each of `n_processes` that share the cores: at least 1, no more than OMP_NUM_THREADS states."""
    limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # of the outermost level, as OpenMP reads it
    share = max(1, n_cores() // n_processes)
    return min(share, int(limit)) if limit.isdecimal() and int(limit) else share
