"""The members of a tar: those of a root, and of a shard inside a root."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import IO

from pipeline.datasets.roots.archives import (
    DAMAGED_LIST,
    BoundedReads,
    check_names,
    check_size,
    damaged,
    refuse_outside,
)
from pipeline.datasets.roots.containers import Container
from pipeline.datasets.roots.extents import Extent
from pipeline.datasets.roots.files import MISSING, UNREADABLE, counted, escapes, is_junk, some
from pipeline.datasets.roots.refusals import refused_by_system, whole_file_errors
from pipeline.errors import ImageError
from pipeline.progress import OnProgress, silent

__all__ = ["TarShard", "tar_members"]

MAX_HEADER_BYTES = 2**20  # of one member

_BLOCK = 512


class TarShard(Container):
    """A tar inside a root, listed once; each read is then one `pread`. Raises as `tar_members` when it is opened."""

    def __init__(self, extent: Extent) -> None:
        self._extent, self._members = extent, tar_members(extent)
        self._file = extent.open()

    def members(self) -> Sequence[str]:
        return sorted(self._members)

    def read(self, member: str, limit: int) -> bytes:
        if member not in self._members:
            raise ImageError(MISSING)
        offset, size = self._members[member]
        check_size(size, limit)
        try:
            data = os.pread(self._file.fileno(), size, offset)
        except OSError as error:
            raise refused_by_system(error, self._extent.where) or ImageError(UNREADABLE) from error
        if len(data) != size:
            raise ImageError(UNREADABLE)
        return data


def tar_members(extent: Extent, on_progress: OnProgress = silent) -> dict[str, tuple[int, int]]:
    """Name -> (offset, size) of every file; a name that occurs twice means its last version, as in tar itself.

    Offsets count from the start of the file on disk.

    Raises
    ------
    DatasetError
        If it is no tar, is damaged or cut off, has too many members, or holds some that are not plain files inside.
    """
    members: dict[str, tuple[int, int]] = {}
    outside: list[str] = []
    try:
        with (
            whole_file_errors(extent.where),
            BoundedReads(extent, MAX_HEADER_BYTES) as file,
            tarfile.open(fileobj=file, mode="r:") as archive,
        ):
            for member in counted(_each_member(extent.where, archive), on_progress):
                name = _tar_name(member)
                if member.isdir() or is_junk(name):
                    continue
                if not member.isreg() or member.issparse() or escapes(name):
                    outside.append(member.name)
                members[name] = (extent.offset + member.offset_data, member.size)
            _refuse_cut_off(extent.where, file, archive.offset)
    except DAMAGED_LIST as error:
        raise damaged(extent.where, "tar", str(error)) from error
    refuse_outside(extent.where, outside)
    return members


def _each_member(where: str, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members, none of them held in `archive`: a million would take gigabytes."""
    end = -1
    for n_members, member in enumerate(iter(archive.next, None), start=1):
        archive.members.clear()  # type: ignore[attr-defined]  # the stubs leave it out
        if member.size < 0 or archive.offset <= end:
            raise damaged(where, "tar", f"member {some([member.name])} has a size below 0")
        check_names(where, n_members, member.name)
        end = archive.offset
        yield member


def _refuse_cut_off(where: str, file: IO[bytes], end: int) -> None:
    # tarfile takes a broken header, or the end of the file, for the end of the list. A whole tar ends in zeros.
    file.seek(end)
    if file.read(_BLOCK) != bytes(_BLOCK):
        raise damaged(where, "tar", f"no end mark after byte {end}")


def _tar_name(member: tarfile.TarInfo) -> str:
    return str(PurePosixPath(member.name))  # drops `./`
