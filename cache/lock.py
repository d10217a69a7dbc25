"""One writer per store. The lock dies with its holder: the kernel frees it, so nothing is ever left locked.

On an object store it is a lease, see `cache.objects`.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cache.atomic import storage_errors
from cache.errors import StoreLockedError
from cache.objects import lease, lease_is_held
from cache.places import Place

__all__ = ["exclusive", "is_held", "lock_path"]


def lock_path(target: Place) -> Place:
    """The lock of the store at `target`."""
    return target.with_name(f".{target.name}.lock")


@contextmanager
def exclusive(path: Place) -> Iterator[None]:
    """Hold the lock file `path` while the block runs.

    Raises
    ------
    StoreLockedError
        If a living process holds it; the message names its host, pid and start.
    """
    if isinstance(path, Path):
        with _flock(path):
            yield
    else:
        with lease(path, _holder()):
            yield


def is_held(path: Place) -> bool:
    """Whether a living process holds the lock; nobody loses it by this question."""
    if not isinstance(path, Path):
        return lease_is_held(path)
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):  # any other refusal does not mean that the lock is free
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def _flock(path: Path) -> Iterator[None]:
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _open_locked(path)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(_holder()).encode(), 0)
        yield
    finally:
        os.close(descriptor)  # frees the lock; the file stays, since unlinking it would race with the next holder


def _open_locked(path: Path) -> int:
    """The lock's descriptor, locked. gc may have removed the file between the two steps: then it is made again."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _stands_at(path, descriptor):
                return descriptor
        except BlockingIOError as error:
            holder = os.pread(descriptor, 1000, 0).decode(errors="replace") or "an unknown process"
            os.close(descriptor)
            raise StoreLockedError(
                f"{path.name}: another extract works on this store: {holder}. Wait for it"
            ) from error
        os.close(descriptor)


def _stands_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _holder() -> dict[str, str | int]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "start": datetime.now(UTC).isoformat(timespec="seconds")}
