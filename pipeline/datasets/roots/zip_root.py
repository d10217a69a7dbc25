"""A zip as a root: listed once, then read at random."""

from __future__ import annotations

import bz2
import io
import os
import stat
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from pipeline.datasets.roots.archives import (
    DAMAGED_LIST,
    ArchiveRoot,
    BoundedReads,
    check_names,
    check_size,
    damaged,
    refuse_outside,
)
from pipeline.datasets.roots.extents import Extent, FileSlice
from pipeline.datasets.roots.files import MISSING, UNREADABLE, escapes, is_junk
from pipeline.datasets.roots.refusals import DAMAGED, refused_by_system, whole_file_errors
from pipeline.datasets.roots.spool import Spool
from pipeline.errors import DatasetError, ImageError
from pipeline.regular_files import RefusedFileError, open_regular, read_within

__all__ = ["ZipRoot"]

MAX_DIRECTORY_BYTES = 512 * 2**20  # of the list of members

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_LZMA_CHUNK = 4096  # bytes: zipfile unpacks at once what it reads at once
_LOCAL_HEADER = struct.Struct("<26xHH")  # of a member: lengths of its name and of what follows it
_ENCRYPTED = 0x1


class ZipRoot(ArchiveRoot):
    """A zip. Every read checks the member's CRC.

    Raises
    ------
    DatasetError
        If it is no zip, is cut off, has too many members, needs a password, or holds members that are not plain
        files inside the root.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        infos = [info for info in _zip_infos(path) if not info.is_dir() and not is_junk(_zip_name(info))]
        refuse_outside(path, [_zip_name(i) for i in infos if escapes(_zip_name(i)) or not _is_plain(i)])
        check_names(path, len(infos), max(map(_zip_name, infos), key=len, default=""))
        if locked := [info.filename for info in infos if info.flag_bits & _ENCRYPTED]:
            raise DatasetError(f"{path} needs a password (first for {locked[0]!r}). Unpack it and give the folder")
        if odd := [info.filename for info in infos if info.compress_type not in _METHODS]:
            raise DatasetError(f"{path} is packed in a way that Python cannot read (first {odd[0]!r}). Unpack it")
        self._members = {_zip_name(info): info.filename for info in infos}

    def _list(self) -> Iterable[str]:
        return self._members

    def _read(self, name: str, limit: int) -> bytes:
        info = self._info(name)
        check_size(info.file_size, limit)
        is_lzma = info.compress_type == zipfile.ZIP_LZMA
        try:
            with self._member(info) as file:
                if is_lzma:
                    data = read_within(file, limit, chunk_size=_LZMA_CHUNK)
                else:
                    data = read_within(file, limit, info.file_size)
        except RefusedFileError as error:
            raise ImageError(str(error.strerror)) from error
        except DAMAGED as error:
            raise refused_by_system(error, self.path) or ImageError(UNREADABLE) from error
        if len(data) != info.file_size:
            raise ImageError(UNREADABLE)
        return data

    def open(self, name: str) -> BinaryIO:
        info = self._info(name)
        try:
            file: BinaryIO = self._member(info)
        except DAMAGED as error:
            raise refused_by_system(error, self.path) or ImageError(UNREADABLE) from error
        return file

    def extent(self, name: str) -> Extent:
        info, where = self._info(name), self._where(name)
        try:
            if info.compress_type == zipfile.ZIP_STORED:
                return Extent(where, self.path, self._start(info), info.file_size)
            spool = Spool(self.path, lambda _: self._member(info), info.compress_size, where)
        except DAMAGED as error:
            raise refused_by_system(error, self.path) or ImageError(UNREADABLE) from error
        return Extent(where, spool.path, 0, spool.path.stat().st_size, keep=spool)

    def _info(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise ImageError(MISSING)
        info: zipfile.ZipInfo = self._opened().getinfo(self._members[name])
        return info

    def _member(self, info: zipfile.ZipInfo) -> Any:
        """One member, to be read in chunks."""
        if info.compress_type != zipfile.ZIP_BZIP2:
            return self._opened().open(info)
        # zipfile would unpack all that it has read of it at once: a few kilobytes can become gigabytes.
        return bz2.BZ2File(io.BufferedReader(FileSlice(self.path, self._start(info), info.compress_size)))

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Where the data of a member begin, bytes."""
        with open_regular(self.path) as file:
            name, extra = _LOCAL_HEADER.unpack(os.pread(file.fileno(), _LOCAL_HEADER.size, info.header_offset))
        return info.header_offset + _LOCAL_HEADER.size + int(name) + int(extra)

    def _open(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.path)


def _zip_infos(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with (
            whole_file_errors(path),
            BoundedReads(Extent(str(path), path, 0, path.stat().st_size), MAX_DIRECTORY_BYTES) as file,
            zipfile.ZipFile(file) as archive,
        ):
            n_bytes, infos = os.fstat(file.fileno()).st_size, archive.infolist()
    except DAMAGED_LIST as error:
        raise damaged(path, "zip", str(error)) from error
    if sum(info.compress_size for info in infos) > n_bytes:
        raise damaged(path, "zip", "its members overlap, or are larger than the file")
    return infos


def _zip_name(info: zipfile.ZipInfo) -> str:
    # Some Windows tools write backslashes.
    return str(PurePosixPath(info.filename.replace("\\", "/")))


def _is_plain(info: zipfile.ZipInfo) -> bool:
    # Only Unix tools fill in a file type; 0 means that there is none.
    return stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
