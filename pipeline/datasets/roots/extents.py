"""A part of a file on disk: a whole file, or a member that an archive holds as it is."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.regular_files import open_unbuffered

__all__ = ["Extent", "FileSlice"]


class FileSlice(io.RawIOBase):
    """A part of a file as a file. Its position is its own: forked processes may share the file behind it."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._file = open_unbuffered(path)
        self._start, self._size, self._position = offset, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self._size - self._position)
        data = os.pread(self._file.fileno(), left if size < 0 else min(size, left), self._start + self._position)
        self._position += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True)
class Extent:
    """Where the bytes of a file of a root are.

    Parameters
    ----------
    where : root and file, for messages
    path : of the file on disk that holds them
    offset, size : bytes
    keep : what removes the file on disk when it is collected, if that is a temporary one
    """

    where: str
    path: Path
    offset: int
    size: int
    keep: object = None

    def open(self) -> FileSlice:
        """The bytes as a file."""
        return FileSlice(self.path, self.offset, self.size)
