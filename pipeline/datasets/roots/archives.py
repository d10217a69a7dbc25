"""Tar and zip archives as roots: listed once, then read at random. What they say of their own sizes is only a claim."""

from __future__ import annotations

import bz2
import io
import os
import stat
import struct
import tarfile
import threading
import zipfile
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from pipeline.datasets.roots.files import MAX_IMAGE_BYTES, MISSING, UNREADABLE, Root, escapes, is_junk, some
from pipeline.datasets.roots.refusals import DAMAGED, refused_by_system, whole_file_errors
from pipeline.datasets.roots.spool import Spool
from pipeline.errors import DatasetError, ImageError
from pipeline.regular_files import (
    RefusedFileError,
    open_regular,
    open_unbuffered,
    read_within,
    size_text,
    too_large_text,
)

__all__ = ["TarRoot", "ZipRoot"]

MAX_MEMBERS = 5_000_000
MAX_NAME = 4096  # characters of a member's path: no file system holds a longer one
MAX_DIRECTORY_BYTES = 512 * 2**20  # of a zip's list of members
MAX_HEADER_BYTES = 2**20  # of one member of a tar

_BLOCK = 512
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_LZMA_PIECE = 4096  # bytes: zipfile unpacks at once what it reads at once
_LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip's member: lengths of its name and of what follows it
_ENCRYPTED = 0x1
_opening = threading.Lock()
# What zipfile and tarfile are known to raise on a list of members that is damaged.
_DAMAGED_LIST = (*DAMAGED, tarfile.TarError, ValueError, OverflowError, struct.error)


class _ArchiveRoot(Root):
    """An archive file with a lazily opened handle that neither a pickle nor a forked child takes along."""

    _handle: Any = None
    _owner = 0

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
        self._release()

    def __del__(self) -> None:
        self._release()

    def _release(self) -> None:
        if self._handle is not None:
            self._handle.close()
        self._handle = None

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_handle": None}


class TarRoot(_ArchiveRoot):
    """A tar, plain or gzip'd. Members are found once; each read is then one `pread`, safe in threads.

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
        offset, size = self._place(name)
        _check_size(size, limit)
        try:
            data = os.pread(self._opened().fileno(), size, offset)
        except OSError as error:
            raise refused_by_system(error, self.path) or ImageError(UNREADABLE) from error
        if len(data) != size:
            raise ImageError(UNREADABLE)
        return data

    def open(self, name: str) -> BinaryIO:
        return io.BufferedReader(_Slice(self._data, *self._place(name)))

    def _place(self, name: str) -> tuple[int, int]:
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


class ZipRoot(_ArchiveRoot):
    """A zip. Every read checks the member's CRC.

    Raises
    ------
    DatasetError
        If it is no zip, is cut off, has too many members, asks for a password, or holds members that are not plain
        files inside the root.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        infos = [info for info in _zip_infos(path) if not info.is_dir() and not is_junk(_zip_name(info))]
        _refuse_outside(path, [_zip_name(i) for i in infos if escapes(_zip_name(i)) or not _is_plain(i)])
        _check_names(path, len(infos), max(map(_zip_name, infos), key=len, default=""))
        if locked := [info.filename for info in infos if info.flag_bits & _ENCRYPTED]:
            raise DatasetError(f"{path} asks for a password (first for {locked[0]!r}). Unpack it and give the folder")
        if odd := [info.filename for info in infos if info.compress_type not in _ZIP_METHODS]:
            raise DatasetError(f"{path} is packed in a way that Python cannot read (first {odd[0]!r}). Unpack it")
        self._members = {_zip_name(info): info.filename for info in infos}

    def _list(self) -> Iterable[str]:
        return self._members

    def read(self, name: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        info = self._info(name)
        _check_size(info.file_size, limit)
        is_lzma = info.compress_type == zipfile.ZIP_LZMA
        try:
            with self._member(info) as file:
                if is_lzma:
                    data = read_within(file, limit, piece=_LZMA_PIECE)
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

    def _info(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise ImageError(MISSING)
        info: zipfile.ZipInfo = self._opened().getinfo(self._members[name])
        return info

    def _member(self, info: zipfile.ZipInfo) -> Any:
        """One member, to be read in pieces."""
        if info.compress_type != zipfile.ZIP_BZIP2:
            return self._opened().open(info)
        # zipfile would unpack all that it has read of it at once: a few kilobytes can become gigabytes.
        with open_regular(self.path) as file:
            name, extra = _LOCAL_HEADER.unpack(os.pread(file.fileno(), _LOCAL_HEADER.size, info.header_offset))
        start = info.header_offset + _LOCAL_HEADER.size + name + extra
        return bz2.BZ2File(io.BufferedReader(_Slice(self.path, start, info.compress_size)))

    def _open(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.path)


class _Slice(io.RawIOBase):
    """A part of a file as a file."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._file = open_unbuffered(path)
        self._offset, self._end = offset, offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = os.pread(self._file.fileno(), min(len(buffer), self._end - self._offset), self._offset)
        buffer[: len(data)] = data
        self._offset += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class _BoundedReads(io.BufferedReader):
    """A file that gives no more than `limit` bytes at once, whatever size a reader has found in it.

    Raises
    ------
    ValueError
        When asked for more.
    """

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(open_unbuffered(path))
        self._limit = limit

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > self._limit:
            raise ValueError(f"a part of {size_text(size)}, where at most {size_text(self._limit)} are read")
        return super().read(size)


def _zip_infos(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with (
            whole_file_errors(path),
            _BoundedReads(path, MAX_DIRECTORY_BYTES) as file,
            zipfile.ZipFile(file) as archive,
        ):
            n_bytes, infos = os.fstat(file.fileno()).st_size, archive.infolist()
    except _DAMAGED_LIST as error:
        raise _damaged(path, "zip", str(error)) from error
    if sum(info.compress_size for info in infos) > n_bytes:
        raise _damaged(path, "zip", "its members overlap, or are larger than the file")
    return infos


def _tar_members(path: Path, data: Path) -> dict[str, tuple[int, int]]:
    """Name -> (offset, size) of every file; a name that stands twice means its last version, as in tar itself."""
    members: dict[str, tuple[int, int]] = {}
    outside: list[str] = []
    try:
        with (
            whole_file_errors(path),
            _BoundedReads(data, MAX_HEADER_BYTES) as file,
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
    except _DAMAGED_LIST as error:
        raise _damaged(path, "tar", str(error)) from error
    _refuse_outside(path, outside)
    return members


def _each_member(path: Path, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members, none of them kept in `archive`: a million would take gigabytes."""
    end = -1
    for n_members, member in enumerate(iter(archive.next, None), start=1):
        archive.members.clear()  # type: ignore[attr-defined]  # the stubs leave it out
        if member.size < 0 or archive.offset <= end:
            raise _damaged(path, "tar", f"member {some([member.name])} has a size below 0")
        _check_names(path, n_members, member.name)
        end = archive.offset
        yield member


def _check_names(path: Path, n_members: int, longest: str) -> None:
    if n_members > MAX_MEMBERS:
        raise DatasetError(f"{path}: expected at most {MAX_MEMBERS:,} members, found more. Divide the dataset")
    if len(longest) > MAX_NAME:
        raise DatasetError(
            f"{path}: expected names of at most {MAX_NAME:,} characters, found one of {len(longest):,} "
            f"({longest[:80]!r}...). Pack it again with shorter names"
        )


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise ImageError(too_large_text(size, limit))


def _refuse_cut_off(path: Path, file: IO[bytes], end: int) -> None:
    # tarfile takes a broken header, or the end of the file, for the end of the list. A whole tar ends in zeros.
    file.seek(end)
    if file.read(_BLOCK) != bytes(_BLOCK):
        raise _damaged(path, "tar", f"no end mark after byte {end}")


def _damaged(path: Path, kind: str, detail: str) -> DatasetError:
    return DatasetError(
        f"{path}: expected a whole {kind} archive, found a damaged or cut off one ({detail}). "
        "Copy it again; an archive of another kind must be unpacked first"
    )


def _refuse_outside(path: Path, names: list[str]) -> None:
    if names:
        raise DatasetError(
            f"{path}: expected plain files inside the archive, found {len(names)} links, devices or paths that lead "
            f"outside: {some(names)}. Pack it again without them (tar --dereference --hard-dereference)"
        )


def _tar_name(member: tarfile.TarInfo) -> str:
    return str(PurePosixPath(member.name))  # drops `./`


def _zip_name(info: zipfile.ZipInfo) -> str:
    # Some Windows tools write backslashes.
    return str(PurePosixPath(info.filename.replace("\\", "/")))


def _is_plain(info: zipfile.ZipInfo) -> bool:
    # Only Unix tools fill in a file type; 0 means that none was given.
    return stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
