"""Which files below a root are younger than a time, by their stamps: nothing is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.roots.files import is_junk_part
from pipeline.datasets.roots.stamps import Stamp
from pipeline.errors import DatasetError

__all__ = ["changed_since"]


def changed_since(root: Path, time_ns: int) -> Iterator[str]:
    """Names below a root that were written, added, renamed or changed otherwise at `time_ns` or later.

    A folder is among them if a file was added to it, or removed. What a link points to is not followed out of its
    folder: a folder that holds it is looked at where it is. Files that no dataset reads, as `.DS_Store`, are left out.

    Parameters
    ----------
    root : a folder, or a file: an archive or a shard
    time_ns : nanoseconds since 1970, as the file system counts them

    Raises
    ------
    DatasetError
        If a folder cannot be listed.
    """
    path = os.path.realpath(root)
    if not Stamp.of(os.stat(path)).is_older(time_ns):
        yield root.name
    if os.path.isdir(path):
        yield from _changed(path, "", time_ns)


def _changed(folder: str, prefix: str, time_ns: int) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            below = []
            for entry in entries:
                if is_junk_part(entry.name):
                    continue
                status = entry.stat(follow_symlinks=False)
                if status.st_mtime_ns >= time_ns or status.st_ctime_ns >= time_ns:  # as Stamp, at a third of its time
                    yield prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.name)
    except OSError as error:
        raise DatasetError(f"cannot list {folder}: {error.strerror}. Check its permissions") from error
    for name in below:
        yield from _changed(os.path.join(folder, name), f"{prefix}{name}/", time_ns)
