"""A folder as a root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipeline.datasets.roots.extents import Extent
from pipeline.datasets.roots.files import LINK, MISSING, UNREADABLE, Root, escapes, is_junk
from pipeline.datasets.roots.refusals import refused_by_system
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

    def _list(self) -> Iterator[str]:
        yield from self._walk("", (self._real,))

    def _walk(self, prefix: str, above: tuple[str, ...]) -> Iterator[str]:
        try:
            entries = list(os.scandir(self.path / prefix))
        except OSError as error:
            raise DatasetError(f"cannot list {self.path / prefix}: {error.strerror}. Check its permissions") from error
        for entry in entries:
            name = prefix + entry.name
            if is_junk(entry.name):
                continue
            if entry.is_dir():
                yield from self._walk_folder(entry, name, above)
            else:  # broken links and FIFOs too: they become rejected rows, where skipping them would be silent
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
            return Extent(self._where(name), path, 0, os.fstat(file.fileno()).st_size)

    def open(self, name: str) -> BinaryIO:
        with self._reading(name) as path:
            return open_regular(path)

    @contextmanager
    def _reading(self, name: str) -> Iterator[Path]:
        path = self._folder / name
        if escapes(name) or not os.path.lexists(path):
            self._check_root()
            raise ImageError(MISSING)
        if not self._holds(os.path.realpath(path)):
            raise ImageError(LINK)
        try:
            yield path
        except RefusedFileError as error:
            raise ImageError(str(error.strerror)) from error
        except OSError as error:
            self._check_root()
            raise refused_by_system(error, path) or ImageError(UNREADABLE) from error

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
    def _reading(self, name: str) -> Iterator[Path]:
        if name != self._file:
            raise ImageError(MISSING)
        with super()._reading(name) as path:
            yield path
