"""What tar and zip roots share: a handle that is opened late, and limits.

What an archive states of its own sizes is only a claim.
"""

from __future__ import annotations

import io
import os
import struct
import tarfile
import threading
from abc import abstractmethod
from pathlib import Path
from typing import Any

from pipeline.datasets.roots.extents import Extent
from pipeline.datasets.roots.files import Root, some
from pipeline.datasets.roots.refusals import DAMAGED
from pipeline.datasets.roots.stamps import Stamp
from pipeline.errors import DatasetError, ImageError
from pipeline.regular_files import size_text, too_large_text

__all__ = [
    "DAMAGED_LIST",
    "ArchiveRoot",
    "BoundedReads",
    "check_names",
    "check_size",
    "damaged",
    "refuse_outside",
]

MAX_MEMBERS = 5_000_000
MAX_NAME = 4096  # characters of a member's path: no file system holds a longer one

# What zipfile and tarfile are known to raise on a list of members that is damaged.
DAMAGED_LIST = (*DAMAGED, tarfile.TarError, ValueError, OverflowError, struct.error)

_opening = threading.Lock()


class ArchiveRoot(Root):
    """An archive file with a lazily opened handle, which neither pickled copies nor forked children share."""

    _handle: Any = None
    _owner = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._stamp = _stamp(path)

    def stamp(self, name: str) -> Stamp | None:
        return self._stamp if _stamp(self.path) == self._stamp else None  # else it was replaced while it is read

    def _opened(self) -> Any:
        with _opening:
            if self._handle is None or self._owner != os.getpid():
                self._release()  # a forked child closes its copy of the handle: the position in it is shared
                try:
                    self._handle, self._owner = self._open(), os.getpid()
                except FileNotFoundError as error:
                    raise DatasetError(
                        f"{self.path}: the file behind it was removed, or its root was closed. Open it again"
                    ) from error
            return self._handle

    @abstractmethod
    def _open(self) -> Any:
        """A new handle of the archive."""

    def close(self) -> None:
        super().close()
        self._release()

    def __del__(self) -> None:
        self._release()

    def _release(self) -> None:
        if self._handle is not None:
            self._handle.close()
        self._handle = None

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_handle": None}


def _stamp(path: Path) -> Stamp | None:
    try:
        return Stamp.of(os.stat(path))
    except OSError:
        return None


class BoundedReads(io.BufferedReader):
    """A file that gives no more than `limit` bytes at once, whatever size its content states.

    Raises
    ------
    ValueError
        When asked for more.
    """

    def __init__(self, extent: Extent, limit: int) -> None:
        super().__init__(extent.open())
        self._limit, self._size = limit, extent.size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = self._size - self.tell()
        if size > self._limit:
            raise ValueError(f"a part of {size_text(size)}, where at most {size_text(self._limit)} are read")
        return super().read(size)


def check_names(path: Path | str, n_members: int, longest: str) -> None:
    """DatasetError if there are too many members, or the longest name is too long."""
    if n_members > MAX_MEMBERS:
        raise DatasetError(f"{path}: expected at most {MAX_MEMBERS:,} members, found more. Divide the dataset")
    if len(longest) > MAX_NAME:
        raise DatasetError(
            f"{path}: expected names of at most {MAX_NAME:,} characters, found one of {len(longest):,} "
            f"({longest[:80]!r}...). Pack it again with shorter names"
        )


def check_size(size: int, limit: int) -> None:
    """ImageError if a member states more bytes than `limit`."""
    if size > limit:
        raise ImageError(too_large_text(size, limit))


def damaged(path: Path | str, kind: str, detail: str) -> DatasetError:
    """The error for an archive that cannot be listed."""
    return DatasetError(
        f"{path}: expected a whole {kind} archive, found a damaged or cut off one ({detail}). "
        "Copy it again; an archive of another kind must be unpacked first"
    )


def refuse_outside(path: Path | str, names: list[str]) -> None:
    """DatasetError if `names`, members that are no plain files inside the archive, are any."""
    if names:
        raise DatasetError(
            f"{path}: expected plain files inside the archive, found {len(names)} links, devices or paths that lead "
            f"outside: {some(names)}. Pack it again without them (tar --dereference --hard-dereference)"
        )
