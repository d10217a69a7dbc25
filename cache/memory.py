"""How much RAM this process may still take."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

__all__ = ["free_memory"]

_CONTAINER = Path("/sys/fs/cgroup")


def free_memory(container: Path = _CONTAINER) -> int:
    """Bytes of RAM that are available: on the machine, and in its container if that has a limit.

    Parameters
    ----------
    container : the control group (cgroup v2) of this process; psutil knows of the machine only
    """
    return min(int(psutil.virtual_memory().available), _below_limit(container))


def _below_limit(container: Path) -> int:
    """The limit of a container less what cannot be dropped; its page cache can."""
    try:
        limit = int((container / "memory.max").read_text())
        used = dict(line.split() for line in (container / "memory.stat").read_text().splitlines())["anon"]
    except (OSError, ValueError, KeyError):  # no such container, or `max`: no limit
        return sys.maxsize
    return max(0, limit - int(used))
