"""Paths of stores: a folder of this machine, `s3://bucket/prefix`, or `memory://name`, which ends with the process.

All of them have pathlib's methods. What only a folder can do (rename, lock, fsync) needs `isinstance(path, Path)`.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from upath import UPath

from cache.errors import RESTORE, StorageError, StoreDamagedError

__all__ = [
    "AnyPath",
    "as_path",
    "exists",
    "files_below",
    "is_file",
    "network_errors",
    "read_all",
    "read_limited",
    "remove_tree",
    "require_plain_file",
]

AnyPath: TypeAlias = Path | UPath

_PROTOCOLS = ("s3", "memory")
_ABSENT = (FileNotFoundError, NotADirectoryError)  # any other refusal is no answer


def as_path(where: str | AnyPath) -> AnyPath:
    """The path that a user names.

    Parameters
    ----------
    where : a path, `s3://bucket/prefix` (credentials and endpoint from the environment, as every AWS tool reads them)
        or `memory://name`

    Raises
    ------
    StorageError
        If the protocol is another one, its library is not installed, or what comes after it is no address.
    """
    protocol, slashes, _rest = str(where).partition("://")
    if not slashes:
        return Path(str(where))
    if protocol not in _PROTOCOLS:
        raise StorageError(f"{where}: expected a folder, or a place that begins with s3:// or memory://")
    try:
        # Another process may write there: nothing is remembered of what a prefix held.
        return UPath(where, use_listings_cache=False) if protocol == "s3" else UPath(where)
    except ImportError as error:
        raise StorageError(f"{where}: S3 needs a library: pip install 'fer-stage[s3]'") from error
    except ValueError as error:
        raise StorageError(f"{where}: expected {protocol}://NAME/PREFIX, found what is no address ({error})") from error


@contextmanager
def network_errors(where: AnyPath) -> Iterator[None]:
    """Turn network errors of an object store's client into a StorageError that names the path."""
    if isinstance(where, Path) or where.protocol != "s3":
        yield
        return
    from botocore.exceptions import BotoCoreError, ClientError  # an extra: imported where it is used

    try:
        yield
    except (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        if "NoSuchBucket" in str(error.__cause__):
            raise StorageError(f"{where}: there is no such bucket. Create it first") from error
        raise  # an answer about a name
    except (BotoCoreError, ClientError, OSError) as error:
        raise StorageError(
            f"{where} cannot be reached ({error}). Check the network, the credentials and AWS_ENDPOINT_URL, then run "
            "the same command again: finished shards are kept"
        ) from error


def exists(where: Path) -> bool:
    """Whether something is there. pathlib's own method, in some versions, also returns False without permission."""
    try:
        where.stat()
    except _ABSENT:
        return False
    return True


def is_file(where: AnyPath) -> bool:
    """Whether a file is there. The libraries' own methods also return False without permission or connection."""
    if isinstance(where, Path):
        try:
            return stat.S_ISREG(where.stat().st_mode)
        except _ABSENT:
            return False
    try:
        return bool(where.fs.info(where.path)["type"] == "file")
    except FileNotFoundError:
        return False


def files_below(where: AnyPath) -> list[AnyPath]:
    """Every file of the tree, sorted; the file itself if it is one; empty if nothing is there.

    What another process removes meanwhile may be among them or not.
    """
    if not isinstance(where, Path):
        return [where.with_segments(f"{where.protocol}://{name.lstrip('/')}") for name in where.fs.find(where.path)]
    if where.is_file():
        return [where]
    files = (
        Path(folder, name) for folder, _folders, names in os.walk(where, onerror=_raise_unless_gone) for name in names
    )
    return sorted(file for file in files if file.is_file())


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def require_plain_file(where: Path, max_bytes: int) -> None:
    """OSError if `where` is a pipe, a device or a socket, or larger than what may be taken into memory.

    A folder, or no file at all, is for the caller to report.
    """
    status = where.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise OSError(errno.EINVAL, "expected a file, found a pipe, a device or a socket", str(where))
    if stat.S_ISREG(status.st_mode) and status.st_size > max_bytes:
        raise OSError(errno.EFBIG, f"expected at most {max_bytes} bytes, found {status.st_size}", str(where))


def read_limited(where: AnyPath, max_bytes: int) -> bytes:
    """The bytes of a file of at most `max_bytes`; an object of an object store is read whole, whatever its size.

    Raises
    ------
    StoreDamagedError
        If it is larger, or no plain file.
    """
    if not isinstance(where, Path):
        return where.read_bytes()
    try:
        require_plain_file(where, max_bytes)
        return where.read_bytes()
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EFBIG):
            raise StoreDamagedError(f"{where}: {error.strerror}. {RESTORE}") from error
        raise


def read_all(files: Sequence[AnyPath], max_bytes: int) -> list[bytes | None]:
    """The bytes of small files, in order; None for one too large or gone. Objects are read several at a time."""
    remote = [file for file in files if not isinstance(file, Path)]
    if len(remote) < 2:
        return [_read_or_none(file, max_bytes) for file in files]
    contents = remote[0].fs.cat([file.path for file in remote])
    return [contents[file.path] for file in remote]


def _read_or_none(file: AnyPath, max_bytes: int) -> bytes | None:
    try:
        return read_limited(file, max_bytes)
    except (FileNotFoundError, StoreDamagedError):
        return None


def remove_tree(where: AnyPath) -> None:
    """Remove a file or folder with all below it, if it is there; of a link the link alone."""
    if not isinstance(where, Path):
        if where.fs.exists(where.path):
            where.fs.rm(where.path, recursive=True)
    elif where.is_dir() and not where.is_symlink():
        shutil.rmtree(where, ignore_errors=True)
    else:
        where.unlink(missing_ok=True)
