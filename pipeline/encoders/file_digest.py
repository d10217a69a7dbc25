"""sha256 of files, without torch: what is loaded and what is only compared are digested in the same way."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import EncoderError
from pipeline.regular_files import open_regular

__all__ = ["file_sha256", "files_sha256", "is_sha256", "sha256_in_cache"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CLOCK_TICK_NS = 50_000_000
_DIGESTS: dict[tuple[str | int, ...], str] = {}  # of this process: version of a file -> sha256


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes: what `sha256sum` prints. A file that has not changed is read once in a process.

    Raises
    ------
    EncoderError
        If it cannot be read.
    """
    try:
        with open_regular(path) as file:
            version = _version(path, os.fstat(file.fileno()))
            if (known := _DIGESTS.get(version)) is not None:
                return known
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            after = os.fstat(file.fileno())
    except OSError as error:
        raise EncoderError(f"cannot read {path}: {error.strerror}. Check its permissions") from error
    # A change within one tick of the file system's clock would leave the times as they are.
    if version == _version(path, after) and time.time_ns() - after.st_ctime_ns > _CLOCK_TICK_NS:
        _DIGESTS[version] = digest
    return digest


def files_sha256(paths: Iterable[Path]) -> str:
    """Hex digest of the names and bytes of files, in the order given; EncoderError if one cannot be read."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def is_sha256(text: str) -> bool:
    """Whether a text is a hex digest of that kind."""
    return _SHA256.fullmatch(text) is not None


def sha256_in_cache(path: Path) -> str:
    """The sha256 by which the hub's cache names a file; empty if it names it otherwise.

    One step only: the cache links snapshot -> blobs/ETAG, which may itself be a link to a store with other names.
    """
    name = Path(os.readlink(path)).name if path.is_symlink() else ""
    return name if is_sha256(name) else ""


def _version(path: Path, status: os.stat_result) -> tuple[str | int, ...]:
    """What changes when a file is written to or replaced, also by a copy that keeps the time of modification."""
    return (str(path.absolute()), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino)
