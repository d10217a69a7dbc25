"""The one way in which files are written: whole or absent, by any number of processes at once.

A file is written under a private name next to its target, flushed, and renamed. The name is random and created by its
writer alone: no link of that name is followed, and two writers of one path write different files. Readers see the old
file or the new one, and the last writer wins.

An object store writes a file whole or not at all by itself; what it lacks is in `cache.places.objects`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path

from cache.errors import StorageError
from cache.places.links import require_inside
from cache.places.objects import copy_into_place
from cache.places.paths import AnyPath, remove_tree
from cache.places.refusals import NO_LOCKS, storage_errors

__all__ = [
    "PARTIAL",
    "atomic_write",
    "flush_file",
    "flush_folder",
    "replace",
    "write_bytes",
    "write_first_free",
    "write_new",
]

PARTIAL = r"\.[0-9a-f]{8}\.partial"
"""How the private names end, as a regular expression."""

_YOUNG_S = 60.0  # between its creation and its lock a file of a living writer looks like one of a dead writer
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP}  # of a file system where a file has one name


def flush_file(path: Path) -> None:
    """Make the bytes of a file survive a power cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: AnyPath, data: bytes, *, durable: bool = True) -> None:
    """Write a file so that a reader sees all of it or none, even after a kill; see `atomic_write`.

    Parameters
    ----------
    durable : whether it must also outlast a power cut

    Raises
    ------
    StorageError
        If the disk refuses; what was at `path` is unchanged then.
    """
    if not isinstance(path, Path):
        with storage_errors(path):
            path.write_bytes(data)
        return
    with atomic_write(path, durable=durable) as partial:
        partial.write_bytes(data)


def write_new(path: Path, data: bytes) -> bool:
    """Write a file as `write_bytes` does, but only if nothing is at `path`; returns whether it was written.

    Raises
    ------
    StorageError
        If the disk refuses.
    """
    return write_first_free([path], lambda partial: partial.write_bytes(data)) is not None


def write_first_free(paths: Iterable[Path], write: Callable[[Path], object]) -> Path | None:
    """Write a file, whole or not at all, at the first of some paths at which nothing is.

    Parameters
    ----------
    paths : at least one, all in one folder
    write : gets a private name next to them

    Returns
    -------
    Where it is; None if something is at each of them.

    Raises
    ------
    StorageError
        If the disk refuses.
    """
    others = iter(paths)
    first, placed = next(others), []

    def put(partial: Path, path: Path) -> None:
        for candidate in chain([path], others):
            with suppress(_TakenError):
                _put_new(partial, candidate)
                placed.append(candidate)
                return

    with _partial_file(first, put) as partial:
        write(partial)
    return placed[0] if placed else None


@contextmanager
def atomic_write(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A private name next to `path`, for the block to write; it replaces `path` if the block raises nothing.

    Partial files of killed writers of the same path are removed.

    Raises
    ------
    StorageError
        If the disk refuses, or a link leads out of the folder; what was at `path` is unchanged then.
    """
    with _partial_file(path, os.replace, durable=durable) as partial:
        yield partial


@contextmanager
def _partial_file(path: Path, put: Callable[[Path, Path], None], *, durable: bool = True) -> Iterator[Path]:
    with storage_errors(path):
        require_inside(path)
        _require_replaceable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans(path)
        partial = _private_name(path)
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            _hold(descriptor)
            yield partial
            if durable:
                os.fsync(descriptor)
            put(partial, path)
            if durable:
                flush_folder(path.parent)
        finally:
            partial.unlink(missing_ok=True)  # not there any more, if it was moved
            os.close(descriptor)


class _TakenError(Exception):
    """Something is already at the path of a new file."""


def _put_new(partial: Path, path: Path) -> None:
    try:
        os.link(partial, path)
    except FileExistsError as error:
        raise _TakenError from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError as taken:
            raise _TakenError from taken
        partial.replace(path)


def _private_name(path: Path) -> Path:
    """An unused name next to `path`: hidden, random, and matched by `PARTIAL`."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")


def _require_replaceable(path: Path) -> None:
    """Only files are replaced: a rename over a device, such as /dev/null, would remove it for every process."""
    with suppress(FileNotFoundError, NotADirectoryError):
        kind = path.stat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise StorageError(f"cannot write {path}: expected a file or a free name, found a device, pipe or socket")


def _hold(descriptor: int) -> None:
    """Mark the file as that of a living process: a partial file without the lock is an orphan."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def _remove_orphans(path: Path) -> None:
    """Remove partial files of writers of `path` that were killed before this process wrote to its folder."""
    for orphan in _partials(os.path.abspath(path.parent)):
        if not re.fullmatch(re.escape(f".{path.name}") + PARTIAL, os.path.basename(orphan)):
            continue
        with suppress(OSError):  # its writer is alive, or another process removes it
            if time.time() - os.lstat(orphan).st_mtime > _YOUNG_S:
                _remove_unlocked(orphan)


@lru_cache(maxsize=64)
def _partials(folder: str) -> tuple[str, ...]:
    """Partial files in a folder; looked for once, as a folder may get a hundred thousand files from one process."""
    with os.scandir(folder) as entries:
        return tuple(entry.path for entry in entries if entry.name.endswith(".partial"))


def _remove_unlocked(orphan: str) -> None:
    descriptor = os.open(orphan, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(orphan)
    finally:
        os.close(descriptor)


def replace(source: AnyPath, target: AnyPath) -> None:
    """Move the finished file or folder `source` to `target`, which may exist.

    A folder cannot replace a folder in one step: the old one is moved aside first and restored if the second step
    fails, so that at no time both are gone. Hold a lock on `target` meanwhile: two processes would move it twice.
    """
    with storage_errors(target):
        if not isinstance(source, Path) and not isinstance(target, Path):
            copy_into_place(source, target)
            return
        assert isinstance(source, Path)
        assert isinstance(target, Path)  # a store grows next to its target
        old = target.with_name(f".{target.name}.replaced")
        if not target.is_dir():
            source.replace(target)
        else:
            remove_tree(old)
            target.rename(old)
            try:
                source.rename(target)
            except OSError:
                old.rename(target)
                raise
        flush_folder(target.parent)
        remove_tree(old)  # also that of a process that was killed between the two steps
