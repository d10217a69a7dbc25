"""Files that are whole or absent: write beside, fsync, rename, fsync the folder.

An object store writes a file whole or not at all by itself; what it lacks is in `cache.objects`.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cache.errors import StorageError
from cache.objects import copy_into_place
from cache.places import Place, reachable

__all__ = ["flush_file", "flush_folder", "replace", "storage_errors", "write_bytes"]

_ADVICE = {
    errno.ENOSPC: "no space left: free some and run the same command again, finished shards are kept",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
    errno.EFBIG: "a file may not grow that large here: raise `ulimit -f` and run the same command again",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EACCES: "no permission to write there: choose another folder",
    errno.EPERM: "no permission to write there: choose another folder",
    errno.ENOTDIR: "a file stands where a folder is needed: choose another folder",
    errno.EEXIST: "a file stands where a folder is needed: choose another folder",
    errno.ESTALE: "the network drive is gone: mount it again and run the same command again",
    errno.ENOENT: "there is no such place: create the folder or the bucket first",
    errno.EISDIR: "a folder stands where a file is needed: move it away, or choose another name",
    errno.ENAMETOOLONG: "the name is too long for this file system: choose a shorter one",
    errno.EMFILE: "this process has too many files open: raise `ulimit -n` and run the same command again",
    errno.ENFILE: "the machine has too many files open: close programs and run the same command again",
    errno.ETIMEDOUT: "the network drive does not answer: check the network and run the same command again",
    errno.EIO: "the disk reports an error: check it before you go on",
}


@contextmanager
def storage_errors(path: Place) -> Iterator[None]:
    """Turn what the system or the object store refuses into a StorageError that names the place and the way out."""
    try:
        with reachable(path):
            yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0)
        if advice is None:
            raise
        named = path if error.errno == errno.EISDIR else error.filename or path  # a rename names its source first
        raise StorageError(f"cannot write {named}: {advice}") from error


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


def write_bytes(path: Place, data: bytes) -> None:
    """Write a file so that a reader sees all of it or none, even after a kill or a power cut.

    Raises
    ------
    StorageError
        If the disk refuses; nothing stands at `path` then but what stood there before.
    """
    with storage_errors(path):
        if not isinstance(path, Path):
            path.write_bytes(data)
            return
        partial = path.with_name(f".{path.name}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        flush_folder(path.parent)


def replace(source: Place, target: Place) -> None:
    """Put the finished file or folder `source` in the place of `target`, which may exist.

    A folder cannot replace a folder in one step: the old one is moved aside first and restored if the second step
    fails, so that at no time both are gone.
    """
    with storage_errors(target):
        if not isinstance(source, Path) and not isinstance(target, Path):
            copy_into_place(source, target)
            return
        assert isinstance(source, Path)
        assert isinstance(target, Path)  # a store grows beside its place
        aside = target.with_name(f".{target.name}.replaced")
        if not target.is_dir():
            source.replace(target)
        else:
            shutil.rmtree(aside, ignore_errors=True)
            target.rename(aside)
            try:
                source.rename(target)
            except OSError:
                aside.rename(target)
                raise
        flush_folder(target.parent)
        shutil.rmtree(aside, ignore_errors=True)  # also what a process left that was killed between the two steps
