"""Chunks of a Zarr array, refused before they take more memory than the array's shape allows."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa
from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore, WrapperStore

from cache.places import require_plain_file

__all__ = ["ChunkLimit", "LimitedStore", "zstd_size"]

_MAGIC = b"\x28\xb5\x2f\xfd"  # of a frame of Zstandard, RFC 8878
_SIZE_BYTES = (1, 2, 4, 8)  # by the frame's size flag
_DICTIONARY_BYTES = (0, 1, 2, 4)
_COUNT_BYTES = 4  # of a chunk of texts: how many there are
_OVERHEAD = 4096  # bytes: checksums, headers, and what a compressor adds to data that it cannot compress


@dataclass(frozen=True)
class ChunkLimit:
    """What one chunk of an array may be.

    Parameters
    ----------
    n_bytes : when it is unpacked: exactly so many, of texts at most
    n_texts : values in a chunk of texts; None for numbers
    compressed : whether it is a frame of Zstandard
    """

    n_bytes: int
    n_texts: int | None = None
    compressed: bool = False

    @property
    def file_bytes(self) -> int:
        return self.n_bytes + self.n_bytes // 128 + _OVERHEAD

    def require(self, chunk: bytes | memoryview) -> int:
        """The bytes that the chunk unpacks to; ValueError if they are more, or no chunk of the array."""
        if len(chunk) > self.file_bytes:
            raise ValueError(f"expected a chunk of at most {self.file_bytes} bytes, found {len(chunk)}")
        size = zstd_size(chunk) if self.compressed else len(chunk)
        if self.compressed and size > self.n_bytes:
            raise ValueError(f"expected a chunk that unpacks to at most {self.n_bytes} bytes, found {size}")
        if self.n_texts is not None:
            count = int.from_bytes(self._beginning(chunk), "little")
            if count != self.n_texts:
                raise ValueError(f"expected {self.n_texts} texts in a chunk, found {count}")
        return size

    def _beginning(self, chunk: bytes | memoryview) -> bytes:
        if self.compressed:
            return bytes(pa.CompressedInputStream(pa.BufferReader(chunk), "zstd").read(_COUNT_BYTES))
        return bytes(chunk[:_COUNT_BYTES])


def zstd_size(frame: bytes | memoryview) -> int:
    """Bytes that a frame unpacks to, as its header says; zarr allocates so many.

    Raises
    ------
    ValueError
        If it is no frame of Zstandard, or does not say its size.
    """
    if len(frame) < len(_MAGIC) + 1 or frame[: len(_MAGIC)] != _MAGIC:
        raise ValueError("expected a frame of Zstandard, found other bytes")
    descriptor = frame[4]
    flag, in_one_piece = descriptor >> 6, bool(descriptor & 0x20)
    if not flag and not in_one_piece:
        raise ValueError("expected a frame of Zstandard with its size, found one without")
    start = 5 + (not in_one_piece) + _DICTIONARY_BYTES[descriptor & 3]
    size = int.from_bytes(frame[start : start + _SIZE_BYTES[flag]], "little")
    return size + 256 if flag == 1 else size


class LimitedStore(WrapperStore[Store]):
    """A store of one array, for reading.

    A file is looked at before it is opened: a pipe or a device would be read for ever. An object of an object store is
    in memory when it is looked at; it is not unpacked if it is too large.
    """

    def __init__(self, store: Store, limit: ChunkLimit) -> None:
        super().__init__(store)
        self._limit = limit
        self._text_bytes = 0

    def _with_store(self, store: Store) -> LimitedStore:
        return type(self)(store, self._limit)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        if isinstance(self._store, LocalStore):
            with suppress(FileNotFoundError, NotADirectoryError):
                require_plain_file(self._store.root / key, self._limit.file_bytes)
        chunk = await super().get(key, prototype, byte_range)
        if chunk is not None:
            size = self._limit.require(chunk.as_numpy_array().data)
            self._text_bytes += size if self._limit.n_texts is not None else 0
            if self._text_bytes > self._limit.n_bytes:  # texts are bounded together, not chunk by chunk
                raise ValueError(f"expected texts of at most {self._limit.n_bytes} bytes together, found more")
        return chunk
