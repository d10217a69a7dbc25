"""Tar and zip archives as roots: listed once, then read at random."""

from __future__ import annotations

import os
import stat
import tarfile
import threading
import zipfile
import zlib
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pipeline.datasets.files import MISSING, UNREADABLE, Root, escapes, is_junk, some
from pipeline.datasets.refusals import refused_by_system, whole_file_errors
from pipeline.datasets.spool import Spool
from pipeline.errors import DatasetError, ImageError

__all__ = ["TarRoot", "ZipRoot"]

_BLOCK = 512
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_ENCRYPTED = 0x1
_opening = threading.Lock()
_DAMAGED_MEMBER = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError)


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
        If it is no tar, is damaged or cut off, or holds members that are not plain files inside the root.
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

    def read(self, name: str) -> bytes:
        if name not in self._members:
            raise ImageError(MISSING)
        offset, size = self._members[name]
        try:
            data = os.pread(self._opened().fileno(), size, offset)
        except OSError as error:
            raise refused_by_system(error, self.path) or ImageError(UNREADABLE) from error
        if len(data) != size:
            raise ImageError(UNREADABLE)
        return data

    def _open(self) -> IO[bytes]:
        return self._data.open("rb", buffering=0)

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
        If it is no zip, is cut off, asks for a password, or holds members that are not plain files inside the root.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            with whole_file_errors(path), zipfile.ZipFile(path) as archive:
                infos = [info for info in archive.infolist() if not info.is_dir() and not is_junk(_zip_name(info))]
        except (zipfile.BadZipFile, OSError) as error:
            raise _damaged(path, "zip", str(error)) from error
        _refuse_outside(path, [_zip_name(i) for i in infos if escapes(_zip_name(i)) or not _is_plain(i)])
        if locked := [info.filename for info in infos if info.flag_bits & _ENCRYPTED]:
            raise DatasetError(f"{path} asks for a password (first for {locked[0]!r}). Unpack it and give the folder")
        if odd := [info.filename for info in infos if info.compress_type not in _ZIP_METHODS]:
            raise DatasetError(f"{path} is packed in a way that Python cannot read (first {odd[0]!r}). Unpack it")
        self._members = {_zip_name(info): info.filename for info in infos}

    def _list(self) -> Iterable[str]:
        return self._members

    def read(self, name: str) -> bytes:
        if name not in self._members:
            raise ImageError(MISSING)
        archive = self._opened()
        try:
            return bytes(archive.read(self._members[name]))
        except _DAMAGED_MEMBER as error:
            raise refused_by_system(error, self.path) or ImageError(UNREADABLE) from error

    def _open(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.path)


def _tar_members(path: Path, data: Path) -> dict[str, tuple[int, int]]:
    """Name -> (offset, size) of every file; a name that stands twice means its last version, as in tar itself."""
    try:
        with whole_file_errors(path), data.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            members = [m for m in archive if not m.isdir() and not is_junk(_tar_name(m))]
            _refuse_cut_off(path, file, archive.offset)
    except (tarfile.TarError, OSError) as error:
        raise _damaged(path, "tar", str(error)) from error
    _refuse_outside(path, [m.name for m in members if not m.isreg() or m.issparse() or escapes(_tar_name(m))])
    return {_tar_name(m): (m.offset_data, m.size) for m in members}


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
