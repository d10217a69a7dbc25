"""A folder as a root."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.datasets.roots.extents import Extent
from pipeline.datasets.roots.files import LINK, MISSING, UNREADABLE, Root, escapes, is_junk_part
from pipeline.datasets.roots.refusals import refused_by_system
from pipeline.datasets.roots.stamps import Stamp
from pipeline.errors import DatasetError, ImageError
from pipeline.regular_files import RefusedFileError, open_regular, read_regular

__all__ = ["FileRoot", "FolderRoot"]


class FolderRoot(Root):
    """A folder. Links are followed while they stay inside it; a link that leaves it is a rejected row or an error.

    Raises (when listed)
    --------------------
    DatasetError
        If a folder below it cannot be listed, or is a link to somewhere else.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._folder, self._real = path, os.path.realpath(path)
        self._prefix = os.path.join(path, "")
        self._inside: dict[str, bool] = {}  # folder -> whether no link on the way to it leaves the root

    def _list(self) -> Iterator[str]:
        yield from self._walk("", (self._real,))

    def _walk(self, prefix: str, above: tuple[str, ...]) -> Iterator[str]:
        try:
            entries = list(os.scandir(self.path / prefix))
        except OSError as error:
            raise DatasetError(f"cannot list {self.path / prefix}: {error.strerror}. Check its permissions") from error
        for entry in entries:
            name = prefix + entry.name
            if is_junk_part(entry.name):
                continue
            if _is_folder(entry):
                yield from self._walk_folder(entry, name, above)
            else:  # broken links, loops and FIFOs too: they become rejected rows, where skipping them would be silent
                yield name

    def _walk_folder(self, entry: os.DirEntry[str], name: str, above: tuple[str, ...]) -> Iterator[str]:
        real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(above[-1], entry.name)
        if not self._holds(real):
            raise DatasetError(
                f"{entry.path} is a link to {real}, outside the root {self.path}. Point the root at a folder that "
                "holds both, or copy the files"
            )
        if real not in above:  # a link to a folder above would never end
            yield from self._walk(f"{name}/", (*above, real))

    def _holds(self, real: str) -> bool:
        return real == self._real or real.startswith(self._real.rstrip(os.sep) + os.sep)

    def _read(self, name: str, limit: int) -> bytes:
        with self._reading(name) as path:
            return read_regular(path, limit)

    def extent(self, name: str) -> Extent:
        with self._reading(name) as path, open_regular(path) as file:
            return Extent(self._where(name), Path(path), 0, os.fstat(file.fileno()).st_size)

    def open(self, name: str) -> BinaryIO:
        with self._reading(name) as path:
            return open_regular(path)

    @contextmanager
    def _reading(self, name: str) -> Iterator[str]:
        path = self._prefix + name
        if (status := self._status(name)) is None:
            self._check_root()
            raise ImageError(MISSING)
        if not self._is_inside(name, status):
            raise ImageError(LINK)
        try:
            yield path
        except RefusedFileError as error:
            raise ImageError(str(error.strerror)) from error
        except OSError as error:
            self._check_root()
            raise refused_by_system(error, path) or ImageError(UNREADABLE) from error

    def stamp(self, name: str) -> Stamp | None:
        status = self._status(name)
        if status is None and "::" in name:  # a row of a shard changes with its shard
            name = name.partition("::")[0]
            status = self._status(name)
        if status is None or not stat.S_ISREG(status.st_mode) or not self._is_inside(name, status):
            return None
        return Stamp.of(status)

    def _status(self, name: str) -> os.stat_result | None:
        """Of the file itself, not of what a link points to; None if there is no such name inside the root."""
        try:
            return None if escapes(name) else os.lstat(self._prefix + name)
        except (OSError, ValueError):
            return None

    def _is_inside(self, name: str, status: os.stat_result) -> bool:
        if stat.S_ISLNK(status.st_mode):
            return self._holds(os.path.realpath(self._prefix + name))
        folder = name.rpartition("/")[0]
        if folder not in self._inside:
            self._inside[folder] = self._holds(os.path.realpath(self._prefix + folder))
        return self._inside[folder]

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_inside": {}}

    def _check_root(self) -> None:
        # A lost mount must not turn every image into a rejected row.
        if not self._folder.is_dir():
            raise DatasetError(f"{self._folder} was a folder and is gone. Mount it again and repeat the command")


class FileRoot(FolderRoot):
    """One file that holds many images, as a root of its own. The files beside it are not part of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.absolute().parent)
        self.path, self._file = path, path.name

    def _list(self) -> Iterator[str]:
        yield self._file

    @contextmanager
    def _reading(self, name: str) -> Iterator[str]:
        if name != self._file:
            raise ImageError(MISSING)
        with super()._reading(name) as path:
            yield path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links that lead to each other
        return False
