"""A tar as a root: listed once, then read at random."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.datasets.roots.archives import ArchiveRoot, check_size
from pipeline.datasets.roots.extents import Extent
from pipeline.datasets.roots.files import MISSING, UNREADABLE
from pipeline.datasets.roots.refusals import refused_by_system, whole_file_errors
from pipeline.datasets.roots.spool import Spool
from pipeline.datasets.roots.tar_members import tar_members
from pipeline.errors import DatasetError, ImageError
from pipeline.progress import OnProgress, silent
from pipeline.regular_files import open_unbuffered

__all__ = ["TarRoot"]


class TarRoot(ArchiveRoot):
    """A tar, plain or gzip'd. Members are listed once; each read is then one `pread`, safe in threads.

    Raises
    ------
    DatasetError
        If it is no tar, is damaged or cut off, has too many members, or holds some that are not plain files inside the
        root.
    """

    def __init__(self, path: Path, *, compressed: bool = False, on_progress: OnProgress = silent) -> None:
        super().__init__(path)
        self._spool: Spool | None = Spool(path, on_progress=on_progress) if compressed else None
        self._data = self._spool.path if self._spool else path
        try:
            self._members = tar_members(self._whole(path), on_progress)
        except DatasetError:
            self.close()
            raise

    def _whole(self, path: Path) -> Extent:
        with whole_file_errors(path):
            return Extent(str(path), self._data, 0, self._data.stat().st_size)

    def _list(self) -> Iterable[str]:
        return self._members

    def _read(self, name: str, limit: int) -> bytes:
        offset, size = self._extent(name)
        check_size(size, limit)
        try:
            data = os.pread(self._opened().fileno(), size, offset)
        except OSError as error:
            raise refused_by_system(error, self.path) or ImageError(UNREADABLE) from error
        if len(data) != size:
            raise ImageError(UNREADABLE)
        return data

    def open(self, name: str) -> BinaryIO:
        return io.BufferedReader(self.extent(name).open())

    def extent(self, name: str) -> Extent:
        return Extent(self._where(name), self._data, *self._extent(name), keep=self._spool)

    def _extent(self, name: str) -> tuple[int, int]:
        if name not in self._members:
            raise ImageError(MISSING)
        return self._members[name]

    def _open(self) -> io.FileIO:
        return open_unbuffered(self._data)

    def close(self) -> None:
        super().close()
        if self._spool:
            self._spool.close()

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_spool": None}  # a copy reads the temporary file and never removes it
