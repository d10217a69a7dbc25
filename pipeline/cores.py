"""How many cores this process may use."""

from __future__ import annotations

import os

__all__ = ["n_cores"]


def n_cores() -> int:
    """Cores that this process may use: at least 1, and fewer than the machine has where its affinity is limited."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
