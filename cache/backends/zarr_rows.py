"""Rows of an output's Zarr chunks, read past Zarr straight into an array.

A chunk of ours is the numbers in C order, little-endian, and then their CRC32C. The checksum that Zarr keeps of a chunk
and ours of the rows are of the same bytes, so one pass over them is compared with both.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from upath import UPath

from cache.backends.base import Target, rows_reported
from cache.backends.raw_rows import as_bytes, read_rows
from cache.places import AnyPath, network_errors
from cache.shard_records import checksum, extended_checksum
from cache.threads import side_by_side

__all__ = ["ChunkRows", "are_plain_numbers"]

_CRC_BYTES = 4
_OBJECTS_BYTES = 2**26  # of objects that are in memory together


def are_plain_numbers(metadata: Mapping[str, Any]) -> bool:
    """Whether the chunks of an array hold its numbers as they are in memory, with a CRC32C or without."""
    first, *others = metadata["codecs"]
    is_single_byte = np.dtype(metadata["data_type"]).itemsize == 1
    is_native = sys.byteorder == "little" and first.get("configuration") == {"endian": "little"}
    return first["name"] == "bytes" and (is_native or is_single_byte) and others in ([], [{"name": "crc32c"}])


@dataclass(frozen=True)
class ChunkRows:
    """One view of an output in chunks of whole rows.

    Parameters
    ----------
    path, name, view : store, output and view
    chunk_rows : rows in a chunk
    n_axes : of one row
    with_crc : whether each chunk ends with its CRC32C
    """

    path: AnyPath
    name: str
    view: int
    chunk_rows: int
    n_axes: int
    with_crc: bool

    def read_into(self, targets: Sequence[Target]) -> list[int]:
        """Fill every target; the CRC32C of each. See `cache.backends.base.Backend.read_into`."""
        path = self.path
        if isinstance(path, Path):
            files = _Files(path, self.with_crc)
            return side_by_side(lambda target: self._fill(target, files), targets)
        checksums: list[int] = []
        for group in self._groups(targets):
            row_bytes = group[0].into.nbytes // len(group[0].rows)
            most = self.chunk_rows * row_bytes + _CRC_BYTES * self.with_crc
            with network_errors(path):
                objects = _Objects.fetched(path, self._names(group), most, self.with_crc)
            checksums += [self._fill(target, objects) for target in group]
        return checksums

    def _fill(self, target: Target, chunks: _Chunks) -> int:
        with rows_reported(self.path, self.name, self.view, target.rows), network_errors(self.path):
            crc = 0
            for number in self._numbers(target.rows):
                first = number * self.chunk_rows
                inside = range(max(first, target.rows.start), min(first + self.chunk_rows, target.rows.stop))
                part = target.into[inside.start - target.rows.start : inside.stop - target.rows.start]
                if len(inside) == self.chunk_rows:
                    of_chunk = chunks.read(self._name(number), part)
                    crc = extended_checksum(crc, part) if crc else of_chunk  # CRC32C of nothing is 0
                else:
                    whole = np.empty((self.chunk_rows, *part.shape[1:]), part.dtype)
                    chunks.read(self._name(number), whole)
                    part[...] = whole[inside.start - first : inside.stop - first]
                    crc = extended_checksum(crc, part)
            return crc

    def _numbers(self, rows: range) -> range:
        return range(rows.start // self.chunk_rows, -(-rows.stop // self.chunk_rows))

    def _name(self, number: int) -> str:
        return "/".join([self.name, "c", str(self.view), str(number), *["0"] * self.n_axes])

    def _names(self, targets: Sequence[Target]) -> list[str]:
        return list(dict.fromkeys(self._name(number) for target in targets for number in self._numbers(target.rows)))

    def _groups(self, targets: Sequence[Target]) -> Iterator[list[Target]]:
        """Targets whose chunks may be in memory together; one at least."""
        group: list[Target] = []
        for target in targets:
            if sum(one.into.nbytes for one in group) + target.into.nbytes > _OBJECTS_BYTES and group:
                yield group
                group = []
            group.append(target)
        if group:
            yield group


class _Chunks(Protocol):
    def read(self, name: str, into: npt.NDArray[Any]) -> int:
        """Fill `into` with a chunk's numbers; their CRC32C. ValueError if the chunk is not exactly so many bytes, or
        does not end with their CRC32C."""


@dataclass(frozen=True)
class _Files:
    store: Path
    with_crc: bool

    def read(self, name: str, into: npt.NDArray[Any]) -> int:
        with _opened(self.store / name) as file:
            _require_at_most(os.fstat(file).st_size, into, self.with_crc)
            crc = read_rows(file, 0, into)  # of a file that is too short: the error of the disk, if there is one
            if self.with_crc:
                _require_crc(crc, os.pread(file, _CRC_BYTES, into.nbytes))
        return crc


@dataclass(frozen=True)
class _Objects:
    contents: Mapping[str, bytes | Exception]
    with_crc: bool

    @classmethod
    def fetched(cls, store: UPath, names: Sequence[str], most: int, with_crc: bool) -> _Objects:
        """Read objects, several at a time and one byte beyond `most`; what cannot be read is reported where it is used.

        One request each: without a range, s3fs asks for the size of an object first.
        """
        contents = store.fs.cat_ranges([(store / name).path for name in names], 0, most + 1, on_error="return")
        return cls(dict(zip(names, contents, strict=True)), with_crc)

    def read(self, name: str, into: npt.NDArray[Any]) -> int:
        data = self.contents[name]
        if (
            isinstance(data, OSError) and data.errno == errno.EINVAL
        ):  # of S3, where an object without bytes has no range
            raise ValueError(f"expected a chunk of {into.nbytes} bytes, found {data}") from data
        if isinstance(data, Exception):
            raise data
        _require_at_most(len(data), into, self.with_crc)
        if len(data) < into.nbytes:
            raise ValueError(f"expected a chunk of {into.nbytes} bytes, found {len(data)}")
        as_bytes(into)[:] = np.frombuffer(data, np.uint8, into.nbytes)
        crc = checksum(into)
        if self.with_crc:
            _require_crc(crc, data[into.nbytes :])
        return crc


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A file descriptor; OSError if it is a pipe or a device, on which reading would wait."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "expected a file, found a folder, a pipe or a device", str(path))
        yield file
    finally:
        os.close(file)


def _require_at_most(n_bytes: int, into: npt.NDArray[Any], with_crc: bool) -> None:
    most = into.nbytes + _CRC_BYTES * with_crc
    if n_bytes > most:
        raise ValueError(f"expected at most {most} bytes in a chunk, found {n_bytes}")


def _require_crc(crc: int, stored: bytes) -> None:
    if stored != crc.to_bytes(_CRC_BYTES, "little"):
        raise ValueError(f"expected a chunk with the CRC32C {stored.hex()} at its end, found bytes with another one")
