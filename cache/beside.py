"""Large files that are whole or absent: written under a private name beside their place, then renamed."""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cache.atomic import flush_file, flush_folder, storage_errors

__all__ = ["written_beside"]

_YOUNG_S = 60.0  # between its creation and its lock a file of a living writer looks like one of a dead writer


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A private name beside `path`, for the block to write; it takes the place of `path` if the block ends well.

    Any number of processes may write the same path at once, the last one wins. What killed ones left is swept.

    Raises
    ------
    StorageError
        If the disk refuses; nothing stands at `path` then but what stood there before.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # it ends with its holder: a partial without one is an orphan
            yield partial
            flush_file(partial)
            partial.replace(path)
            flush_folder(path.parent)
        finally:
            partial.unlink(missing_ok=True)  # not there any more, if all went well
            os.close(descriptor)


def _sweep(path: Path) -> None:
    """Remove what writers of `path` left that are dead."""
    for orphan in path.parent.glob(f".{path.name}.*.partial"):
        with suppress(OSError):  # it lives, or another process sweeps it
            if time.time() - orphan.stat().st_mtime > _YOUNG_S:
                _remove_unlocked(orphan)


def _remove_unlocked(orphan: Path) -> None:
    descriptor = os.open(orphan, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        orphan.unlink()
    finally:
        os.close(descriptor)
