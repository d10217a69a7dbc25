"""One writer per output. The lock dies with its holder: the kernel frees it, so nothing stays locked.

On an object store it is a lease, see `cache.places.objects`.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from cache.errors import StorageError, StoreLockedError
from cache.places.links import require_inside
from cache.places.objects import in_use, lease, lease_is_held
from cache.places.paths import AnyPath
from cache.places.refusals import storage_errors

__all__ = ["SHORT_WAIT_S", "exclusive", "is_held", "lock_path"]

SHORT_WAIT_S = 60.0  # for writers of small files, which hold a lock for milliseconds

_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # no link, and no waiting for the other end of a pipe
_CHECK_S, _PAUSE_S = 0.5, 0.02


def lock_path(target: AnyPath) -> AnyPath:
    """The lock of the store, or of another output, at `target`."""
    return target.with_name(f".{target.name}.lock")


@contextmanager
def exclusive(path: AnyPath, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path` while the block runs.

    Parameters
    ----------
    wait_s : how long a living process that holds it is waited for; on a disk of this machine only

    Raises
    ------
    StoreLockedError
        If a living process holds it; the message names its host, pid and start.
    """
    if isinstance(path, Path):
        with _flock(path, wait_s):
            yield
    else:
        with lease(path, _holder()):
            yield


def is_held(path: AnyPath) -> bool:
    """Whether a living process holds the lock; the check itself does not take it."""
    if not isinstance(path, Path):
        return lease_is_held(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | _PLAIN)
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
def _flock(path: Path, wait_s: float) -> Iterator[None]:
    with storage_errors(path):
        require_inside(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _open_locked(path, wait_s)
    try:
        with storage_errors(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(_holder()).encode(), 0)
        yield
    finally:
        with suppress(OSError):  # a file that remains is not locked
            if _is_at(path, descriptor):
                path.unlink()  # a process that opened it meanwhile sees that it is gone, and creates another
        os.close(descriptor)  # frees the lock


def _open_locked(path: Path, wait_s: float) -> int:
    """The lock's descriptor, locked. If its last holder removes the file between the two steps, it is created again."""
    start = time.monotonic()
    while True:
        with ExitStack() as opened:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _PLAIN, 0o666)
            opened.callback(os.close, descriptor)
            _require_lock_file(path, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                # Empty: another process only checks whether it is held, or has held it for a moment.
                holder = os.pread(descriptor, 1000, 0).decode(errors="replace")
                if time.monotonic() - start > (wait_s if holder else max(wait_s, _CHECK_S)):
                    raise StoreLockedError(in_use(path.name, holder or "an unknown process")) from error
                time.sleep(_PAUSE_S)
                continue
            if _is_at(path, descriptor):
                opened.pop_all()
                return descriptor


def _require_lock_file(path: Path, descriptor: int) -> None:
    """What was planted at the lock's name, such as another name of a file outside, is never written to."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise StorageError(
            f"cannot write {path}: expected a lock, which is a file with one name, found something else. Remove it"
        )


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _holder() -> dict[str, str | int]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "start": datetime.now(UTC).isoformat(timespec="seconds")}
