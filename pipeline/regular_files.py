"""Files that may come from elsewhere: only regular ones are opened, and no more is read than a limit.

A FIFO, a socket or a device has no end, or waits for a writer that never comes; the size of a sparse file, or the one
that an archive states, is no measure of the memory that its content needs.
"""

from __future__ import annotations

import errno
import io
import json
import os
import stat
from pathlib import Path
from typing import Any, Protocol

__all__ = [
    "MAX_JSON_BYTES",
    "NOT_REGULAR",
    "RefusedFileError",
    "open_regular",
    "open_unbuffered",
    "read_json",
    "read_regular",
    "read_within",
    "size_text",
    "too_large_text",
]

# Reasons of a rejected row: stable words, counted in summaries. Numbers follow the second one after a colon.
NOT_REGULAR = "not a regular file"
_TOO_LARGE = "file is too large"

MAX_JSON_BYTES = 16 * 2**20  # of a description, a record or a history; real ones have some kilobytes

_CHUNK = 1 << 20  # bytes
_ONE_READ = 0x7FFFF000  # bytes: what Linux gives at most at once; chunks of a larger file would be held twice
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class RefusedFileError(OSError):
    """A file that is not read, though the system would read it. `strerror` is the reason, for people."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes | None: ...


def open_regular(path: Path | str) -> io.BufferedReader:
    """Open a file to read its bytes. Never waits, and never opens a device. Links are followed.

    Raises
    ------
    RefusedFileError
        If it is a folder, a FIFO, a socket or a device.
    OSError
        If the system cannot open it.
    """
    return os.fdopen(_opened(path), "rb")


def open_unbuffered(path: Path | str) -> io.FileIO:
    """As `open_regular`, without a buffer."""
    return os.fdopen(_opened(path), "rb", buffering=0)


def _opened(path: Path | str) -> int:
    _require_regular(path, os.stat(path))
    # The file may be another one by now: without O_NONBLOCK a FIFO would wait for a writer.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _require_regular(path, os.fstat(handle))
    except RefusedFileError:
        os.close(handle)
        raise
    return handle


def read_regular(path: Path | str, limit: int) -> bytes:
    """All bytes of a regular file of at most `limit` bytes.

    Raises
    ------
    RefusedFileError
        If it is no regular file, or larger; a sparse file is not read.
    OSError
        If the system cannot read it.
    """
    with open_unbuffered(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise _too_large(size, limit, path)
        return read_within(io.BufferedReader(file) if size >= _ONE_READ else file, limit, size, path)


def read_within(
    file: _Readable, limit: int, size: int = 0, path: Path | str | None = None, chunk_size: int = _CHUNK
) -> bytes:
    """What a file holds from here on, read in chunks and counted.

    Parameters
    ----------
    limit : bytes
    size : bytes that the file claims to hold; only a hint
    chunk_size : bytes of one read, after a first one of `size`

    Raises
    ------
    RefusedFileError
        As soon as there are more than `limit` bytes, whatever the file claims.
    """
    first = file.read(min(size + 1, limit + 1)) or b""
    if len(first) == size <= limit:  # the usual case: one read, no copy; those of /proc claim 0 bytes and hold more
        more = file.read(1)
        if not more:
            return first
        first += more
    chunks, n_bytes = [first], len(first)
    while n_bytes <= limit and (more := file.read(min(chunk_size, limit + 1 - n_bytes))):
        chunks.append(more)
        n_bytes += len(more)
    if n_bytes > limit:
        raise _too_large(None, limit, path)
    return b"".join(chunks)


def read_json(path: Path, limit: int = MAX_JSON_BYTES) -> Any:
    """The content of a JSON file.

    Raises
    ------
    ValueError
        If it is no JSON, or nested too deeply.
    RefusedFileError, OSError
        As `read_regular`.
    """
    try:
        return json.loads(read_regular(path, limit))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def size_text(n_bytes: int) -> str:
    """A number of bytes for people: `1,500 MB`, and `20 bytes` below one."""
    return f"{n_bytes / 1e6:,.0f} MB" if n_bytes >= 1_000_000 else f"{n_bytes:,} bytes"


def too_large_text(size: int | None, limit: int) -> str:
    """The reason for a file of more than `limit` bytes; `size` is None where it is not known."""
    actual = "more than that" if size is None else size_text(size)
    return f"{_TOO_LARGE}: at most {size_text(limit)}, found {actual}"


def _too_large(size: int | None, limit: int, path: Path | str | None) -> RefusedFileError:
    return RefusedFileError(errno.EFBIG, too_large_text(size, limit), path and str(path))


def _require_regular(path: Path | str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise RefusedFileError(errno.EINVAL, f"{NOT_REGULAR}: found {kind}", str(path))
