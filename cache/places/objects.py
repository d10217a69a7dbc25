"""What an object store lacks: putting a finished tree into its place, and a lock."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
from upath import UPath

from cache.errors import StorageError, StoreLockedError
from cache.places.paths import files_below, network_errors

__all__ = ["METADATA_FILE", "copy_into_place", "in_use", "lease", "lease_is_held"]

METADATA_FILE = "zarr.json"  # a reader takes no tree for a store that lacks it

_RENEW_S, _DEAD_AFTER_S = 20.0, 120.0


def copy_into_place(source: UPath, target: UPath) -> None:
    """Make the tree at `target` that of `source`; the store copies on its own side, nothing is transferred.

    There is no rename: the old metadata file is deleted first and the new one copied last: in between no reader finds a
    store.
    `source` stays complete until the end; a writer that dies in between starts the copy again.
    """
    names, old = _names_below(source), _names_below(target)
    files, fs = [name for name in names if name != METADATA_FILE], source.fs
    if METADATA_FILE in old:
        fs.rm_file((target / METADATA_FILE).path)
    fs.copy([(source / name).path for name in files], [(target / name).path for name in files])
    for name in set(old) - set(names):
        fs.rm_file((target / name).path)
    fs.cp_file((source / METADATA_FILE).path, (target / METADATA_FILE).path)


def _names_below(top: UPath) -> list[str]:
    return [str(file)[len(str(top)) + 1 :] for file in files_below(top)]


@contextmanager
def lease(
    path: UPath, holder: Mapping[str, str | int], renew_s: float = _RENEW_S, dead_after_s: float = _DEAD_AFTER_S
) -> Iterator[None]:
    """Hold the object `path` while the block runs: made only if it is absent, renewed while its holder lives.

    A holder is dead when its process is gone from this host, or when it has not renewed for `dead_after_s` by the
    server's clock and ours (they may differ by a minute without harm). It is taken over by a conditional write,
    which only one contender wins.

    Raises
    ------
    StoreLockedError
        If a living process holds it, or if another process took it over while the block ran.
    """
    held = _Lease(path, json.dumps({**holder, "lease": uuid.uuid4().hex}).encode(), renew_s, dead_after_s)
    with network_errors(path):
        held.acquire()
    renewal = threading.Thread(target=held.keep, daemon=True)
    renewal.start()
    try:
        yield
        if held.lost:
            raise StoreLockedError(f"{path}: the lock was taken over while this process did not answer. Run it again")
    finally:
        held.ended.set()
        renewal.join()
        held.release()


def lease_is_held(path: UPath) -> bool:
    """Whether a living process holds the lease."""
    with network_errors(path):
        try:
            return not _is_dead(path.fs.cat_file(path.path), path.fs.info(path.path), _DEAD_AFTER_S)
        except FileNotFoundError:
            return False


@dataclass
class _Lease:
    path: UPath
    content: bytes
    renew_s: float
    dead_after_s: float
    ended: threading.Event = field(default_factory=threading.Event)
    lost: bool = False

    def acquire(self) -> None:
        try:
            self.path.fs.pipe_file(self.path.path, self.content, mode="create")
        except FileExistsError:
            self._take_over()

    def _take_over(self) -> None:
        try:
            info, content = self.path.fs.info(self.path.path), self._current()
        except FileNotFoundError:
            content = None
        if content is None:
            raise StoreLockedError(in_use(self.path.name, "another process, which just ended"))
        if not _is_dead(content, info, self.dead_after_s):
            raise StoreLockedError(in_use(self.path.name, content.decode(errors="replace")))
        try:
            self.path.fs.pipe_file(self.path.path, self.content, IfMatch=info.get("ETag"))
        except OSError as error:  # another contender was faster
            raise StoreLockedError(in_use(self.path.name, "another process, which just took it over")) from error

    def keep(self) -> None:
        """Renew until the end. A server that does not answer is tried again: the lease outlasts some failures."""
        while not self.ended.wait(self.renew_s):
            with suppress(StorageError), network_errors(self.path):
                if self._is_mine():
                    self.path.write_bytes(self.content)
                else:
                    self.lost = True
                    return

    def release(self) -> None:
        """Free it. Where the server is gone the lease ends by itself, and the error of the block is the one to see."""
        with suppress(StorageError), network_errors(self.path):
            if self._is_mine():
                self.path.unlink()

    def _is_mine(self) -> bool:
        return self._current() == self.content

    def _current(self) -> bytes | None:
        """Whatever is there now. UPath would refuse to read what another contender has just replaced."""
        try:
            return bytes(self.path.fs.cat_file(self.path.path))
        except FileNotFoundError:
            return None


def in_use(name: str, holder: str) -> str:
    """The message for a process that meets a lock that is held.

    Parameters
    ----------
    name : of the lock, `.OUTPUT.lock`
    holder : what the lock says of its process
    """
    output = name.removeprefix(".").removesuffix(".lock")
    return f"{output}: another process writes it: {holder}. Wait for it, then run this again"


def _is_dead(content: bytes, info: Mapping[str, Any], dead_after_s: float) -> bool:
    renewed = info.get("LastModified")
    if renewed is not None and datetime.now(UTC) - renewed > timedelta(seconds=dead_after_s):
        return True
    try:
        holder = json.loads(content)
        return bool(holder["host"] == socket.gethostname() and not psutil.pid_exists(holder["pid"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return False  # its writer is unknown: it counts as alive until it is old
