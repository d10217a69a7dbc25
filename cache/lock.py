"""One writer per store. The lock dies with its holder: the kernel frees it, so nothing is ever left locked."""

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

__all__ = ["exclusive"]


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path` while the block runs.

    Raises
    ------
    StoreLockedError
        If a living process holds it; the message names its host, pid and start.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 1000, 0).decode(errors="replace") or "an unknown process"
            raise StoreLockedError(
                f"{path.name}: another extract works on this store: {holder}. Wait for it"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(_holder()).encode(), 0)
        yield
    finally:
        os.close(descriptor)  # frees the lock; the file stays, since unlinking it would race with the next holder


def _holder() -> dict[str, str | int]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "start": datetime.now(UTC).isoformat(timespec="seconds")}
