"""What a file system states of a file, to tell without reading it whether it is still the same."""

from __future__ import annotations

import os
from typing import NamedTuple

__all__ = ["Stamp"]


class Stamp(NamedTuple):
    """Size and times of a regular file, and its number in the file system.

    `mtime_ns` can be set by every program, and `cp -p`, `rsync -t` and `tar` set it to that of the original.
    `ctime_ns`, the time of the last change of content, owner, mode, name or number of links, is set by the system.

    Parameters
    ----------
    size : bytes
    mtime_ns, ctime_ns : nanoseconds since 1970
    inode : unsigned, 64 bits
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp in what `os.stat` returned."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    def is_older(self, time_ns: int) -> bool:
        """Whether both times are before `time_ns`."""
        return max(self.mtime_ns, self.ctime_ns) < time_ns
