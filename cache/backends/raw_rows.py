"""Rows read straight from an open file into an array, and checksummed while they are in the core's own cache."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.shard_records import extended_checksum

__all__ = ["as_bytes", "read_rows"]

_PIECE = 2**18  # bytes


def as_bytes(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The array's own memory, shape (nbytes,); ValueError if it is not C-contiguous."""
    if not values.flags.c_contiguous:
        raise ValueError("expected a C-contiguous array to read into")
    return values.reshape(-1).view(np.uint8)


def read_rows(file: int, offset: int, into: npt.NDArray[Any]) -> int:
    """Fill `into` with the bytes from `offset` on; their CRC32C.

    Raises
    ------
    ValueError
        If the file ends before.
    """
    data, crc = as_bytes(into), 0
    for start in range(0, len(data), _PIECE):
        piece = data[start : start + _PIECE]
        _fill(file, offset + start, piece)
        crc = extended_checksum(crc, piece)
    return crc


def _fill(file: int, offset: int, piece: npt.NDArray[np.uint8]) -> None:
    done = 0
    while done < len(piece):
        n = _read(file, piece[done:], offset + done)
        if not n:
            raise ValueError(f"expected {len(piece)} bytes from byte {offset} on, found {done}")
        done += n


def _read(file: int, into: npt.NDArray[np.uint8], offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(file, [into.data], offset)
    data = os.pread(file, len(into), offset)  # macOS
    into[: len(data)] = np.frombuffer(data, np.uint8)
    return len(data)
