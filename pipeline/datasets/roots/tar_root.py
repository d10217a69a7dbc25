"""A tar as a root: listed once, then read at random."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from pipeline.datasets.roots.archives import (
    DAMAGED_LIST,
    ArchiveRoot,
    BoundedReads,
    FileSlice,
    check_names,
    check_size,
    damaged,
    refuse_outside,
)
from pipeline.datasets.roots.files import MAX_IMAGE_BYTES, MISSING, UNREADABLE, escapes, is_junk, some
from pipeline.datasets.roots.refusals import refused_by_system, whole_file_errors
from pipeline.datasets.roots.spool import Spool
from pipeline.errors import DatasetError, ImageError
from pipeline.regular_files import open_unbuffered

__all__ = ["TarRoot"]

MAX_HEADER_BYTES = 2**20  # of one member

_BLOCK = 512


class TarRoot(ArchiveRoot):
    """A tar, plain or gzip'd. Members are listed once; each read is then one `pread`, safe in threads.

    Raises
    ------
    DatasetError
        If it is no tar, is damaged or cut off, has too many members, or holds some that are not plain files inside the
        root.
    """

    def __init__(self, path: Path, *, compressed: bool = False) -> None:
        super().__init__(path)
        self._spool: Spool | None = Spool(path) if compressed else None
        self._data = self._spool.path if self._spool else path
        try:
            self._members = _tar_members(path, self._data)
        except DatasetError:
            self.close()
            raise

    def _list(self) -> Iterable[str]:
        return self._members

    def read(self, name: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
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
        return io.BufferedReader(FileSlice(self._data, *self._extent(name)))

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


def _tar_members(path: Path, data: Path) -> dict[str, tuple[int, int]]:
    """Name -> (offset, size) of every file; a name that occurs twice means its last version, as in tar itself."""
    members: dict[str, tuple[int, int]] = {}
    outside: list[str] = []
    try:
        with (
            whole_file_errors(path),
            BoundedReads(data, MAX_HEADER_BYTES) as file,
            tarfile.open(fileobj=file, mode="r:") as archive,
        ):
            for member in _each_member(path, archive):
                name = _tar_name(member)
                if member.isdir() or is_junk(name):
                    continue
                if not member.isreg() or member.issparse() or escapes(name):
                    outside.append(member.name)
                members[name] = (member.offset_data, member.size)
            _refuse_cut_off(path, file, archive.offset)
    except DAMAGED_LIST as error:
        raise damaged(path, "tar", str(error)) from error
    refuse_outside(path, outside)
    return members


def _each_member(path: Path, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members, none of them held in `archive`: a million would take gigabytes."""
    end = -1
    for n_members, member in enumerate(iter(archive.next, None), start=1):
        archive.members.clear()  # type: ignore[attr-defined]  # the stubs leave it out
        if member.size < 0 or archive.offset <= end:
            raise damaged(path, "tar", f"member {some([member.name])} has a size below 0")
        check_names(path, n_members, member.name)
        end = archive.offset
        yield member


def _refuse_cut_off(path: Path, file: IO[bytes], end: int) -> None:
    # tarfile takes a broken header, or the end of the file, for the end of the list. A whole tar ends in zeros.
    file.seek(end)
    if file.read(_BLOCK) != bytes(_BLOCK):
        raise damaged(path, "tar", f"no end mark after byte {end}")


def _tar_name(member: tarfile.TarInfo) -> str:
    return str(PurePosixPath(member.name))  # drops `./`
