"""Why the system did not let a file be read. Such a cause means nothing about the bytes: they may be right.

Bytes that are wrong are `StoreDamagedError`, which `cache.backends.base.damage_reported` raises for all that is not a
refusal.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from cache.errors import CacheError, StorageError, StoreLockedError
from cache.places.paths import AnyPath, network_errors

__all__ = ["NO_LOCKS", "read_errors", "refusal", "storage_errors"]

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}  # of a file system without locks, as some network drives

_CAUSES = {
    errno.EMFILE: "this process has too many files open: raise `ulimit -n`, then run the same command again",
    errno.ENFILE: "the machine has too many files open: close programs, then run the same command again",
    errno.EDQUOT: "the disk quota is used up: free some space, then run the same command again",
    errno.EIO: "the disk reports an error: check the disk and its cable (`dmesg` names it), then run the command again",
    errno.ENODEV: "the disk is gone: connect or mount it, then run the same command again",
    errno.ENXIO: "the disk is gone: connect or mount it, then run the same command again",
    errno.ESTALE: "the network drive is gone: mount it again, then run the same command again",
    errno.ENOTCONN: "the network drive is gone: mount it again, then run the same command again",
    errno.ETIMEDOUT: "the network drive does not answer: check the network, then run the same command again",
    errno.EHOSTDOWN: "the network drive does not answer: check the network, then run the same command again",
    errno.EHOSTUNREACH: "the network drive does not answer: check the network, then run the same command again",
    errno.ENETDOWN: "the network drive does not answer: check the network, then run the same command again",
    errno.ENETUNREACH: "the network drive does not answer: check the network, then run the same command again",
}
"""Refusals that mean the same for readers and writers, with what to do."""

_ADVICE = _CAUSES | {
    errno.EACCES: "no permission to read it: ask its owner for the right, or run as a user who has it",
    errno.EPERM: "no permission to read it: ask its owner for the right, or run as a user who has it",
    errno.ENOMEM: "the machine has no memory left: free some, then run the same command again",
    errno.ENOSPC: "no space left on the disk: free some, then run the same command again",
    errno.ELOOP: "its links form a circle: repair the links",
    errno.ENAMETOOLONG: "the name is too long for this file system: move the store to a shorter path",
}
_ADVICE_TO_WRITERS = _CAUSES | {
    errno.ENOSPC: "no space left: free some and run the same command again, finished shards are kept",
    errno.EFBIG: "a file may not grow that large here: raise `ulimit -f` and run the same command again",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EACCES: "no permission to write there: choose another folder",
    errno.EPERM: "no permission to write there: choose another folder",
    errno.ENOLCK: "the file system has no locks, so two writers could meet there: choose a folder on another one",
    errno.ENOTDIR: "a file is where a folder is needed: choose another folder",
    errno.EEXIST: "a file is where a folder is needed: choose another folder",
    errno.ENOENT: "there is no such place: create the folder or the bucket first",
    errno.EISDIR: "a folder is where a file is needed: move it away, or choose another name",
    errno.ENAMETOOLONG: "the name is too long for this file system: choose a shorter one",
    errno.ELOOP: "it is a link, and nothing is written through links: remove the link",
}
_LOCKED = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EBUSY, errno.ETXTBSY, errno.EDEADLK}
# What a library raises where a file is missing inside a store, or something else is in its place: that is damage.
_ABOUT_CONTENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EFBIG, errno.EOVERFLOW}
_HALF_IMPORTED = "partially initialized module"  # of Python, where an import was interrupted
_MARKED_OPEN = "file is already open for"  # HDF5, of a file whose writer has not closed it; it has no errno


def refusal(error: BaseException, what: str) -> CacheError | None:
    """The error to raise if `error` says why `what` cannot be read now; None if its bytes are wrong.

    Parameters
    ----------
    error : what a library raised; a cause that it names is looked at too
    what : a path, and what in it
    """
    if isinstance(error, AttributeError) and _HALF_IMPORTED in str(error):
        return StorageError(f"{what} cannot be read now: a library was imported only in part ({error}). Run it again")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and (refused := _of_system(cause, what)):
            return refused
        cause = cause.__cause__
    return None


def _of_system(error: OSError, what: str) -> CacheError | None:
    if error.errno in _LOCKED:
        return StoreLockedError(
            f"{what}: the file is in use: another program has it open for writing. Close it there, then run the same "
            "command again. Its bytes may be right"
        )
    if error.errno is None:
        return _without_number(error, what)
    if error.errno in _ABOUT_CONTENT:
        return None
    advice = _ADVICE.get(error.errno, f"the system refuses ({error.strerror}): repair that, then read again")
    return StorageError(f"{what} cannot be read now: {advice}")


def _without_number(error: OSError, what: str) -> CacheError | None:
    if _MARKED_OPEN in str(error):
        return StoreLockedError(
            f"{what}: the file is in use: another program opened it for writing and has not closed it, or was killed. "
            "Close it there. If no program has it open, remove that mark with `h5clear -s` (of the package "
            "hdf5-tools), then verify the store, which reads every byte"
        )
    if isinstance(error, TimeoutError | ConnectionError):
        return StorageError(f"{what} cannot be read now: no answer ({error}). Check the network, then read again")
    return None


@contextmanager
def read_errors(what: str) -> Iterator[None]:
    """Turn a refusal of the system into a CacheError that names the cause; any other error passes as it is."""
    try:
        yield
    except OSError as error:
        if refused := refusal(error, what):
            raise refused from error
        raise


@contextmanager
def storage_errors(path: AnyPath) -> Iterator[None]:
    """Turn what the system or the object store refuses into a StorageError that names the path and what to do."""
    try:
        with network_errors(path):
            yield
    except OSError as error:
        advice = _ADVICE_TO_WRITERS.get(error.errno or 0)
        if advice is None:
            raise
        named = path if error.errno == errno.EISDIR else error.filename or path  # a rename names its source first
        raise StorageError(f"cannot write {named}: {advice}") from error
