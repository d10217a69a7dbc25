"""Where stores stand: a folder of this machine, `s3://bucket/prefix`, or `memory://name` for as long as the process.

All of them have pathlib's methods. What only a folder can do (rename, lock, fsync) is asked of `is_remote` first.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from upath import UPath

from cache.errors import StorageError

__all__ = ["Place", "exists", "files_below", "is_file", "is_remote", "place", "reachable", "read_all", "remove_tree"]

Place: TypeAlias = Path | UPath

_PROTOCOLS = ("s3", "memory")
_ABSENT = (FileNotFoundError, NotADirectoryError)  # any other refusal is no answer


def place(where: str | Place) -> Place:
    """The place that a user names.

    Parameters
    ----------
    where : a path, `s3://bucket/prefix` (credentials and endpoint from the environment, as every AWS tool reads them)
        or `memory://name`

    Raises
    ------
    StorageError
        If the protocol is another one, or its library is not installed.
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


def is_remote(where: Place) -> bool:
    """Whether `where` is no folder or file of this machine's disks."""
    return not isinstance(where, Path)


@contextmanager
def reachable(where: Place) -> Iterator[None]:
    """Turn what the client of an object store says of its network into a StorageError that names the place."""
    if isinstance(where, Path) or where.protocol != "s3":
        yield
        return
    from botocore.exceptions import BotoCoreError, ClientError  # the client is an extra: asked for where it is used

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


def is_file(where: Place) -> bool:
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


def files_below(where: Place) -> list[Place]:
    """Every file of the tree, sorted; the file itself if it is one; empty if nothing is there."""
    if not isinstance(where, Path):
        return [where.with_segments(f"{where.protocol}://{name.lstrip('/')}") for name in where.fs.find(where.path)]
    if where.is_file():
        return [where]
    return sorted(file for file in where.rglob("*") if file.is_file())


def read_all(files: Sequence[Place]) -> list[bytes]:
    """The bytes of many small files, in order; from an object store several at a time."""
    remote = [file for file in files if not isinstance(file, Path)]
    if len(remote) < 2:
        return [file.read_bytes() for file in files]
    found = remote[0].fs.cat([file.path for file in remote])
    return [found[file.path] for file in remote]


def remove_tree(where: Place) -> None:
    """Remove a file or folder with all below it, if it is there; of a link the link alone."""
    if not isinstance(where, Path):
        if where.fs.exists(where.path):
            where.fs.rm(where.path, recursive=True)
    elif where.is_dir() and not where.is_symlink():
        shutil.rmtree(where, ignore_errors=True)
    else:
        where.unlink(missing_ok=True)
