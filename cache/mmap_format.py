"""The file of a memory-mapped copy: its name, its layout, and whether it holds what its store does.

Layout: an npy file, which other programs read, and after its data: row numbers (int64, little-endian, shape (N,)), JSON
with output, view and N, the length of that JSON (int64), `FERHOT1` and a line feed. From there `store verify` has the
rows of a copy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from cache.export_formats import npy_header
from cache.keys import canonical_json, sha256_of
from cache.places import AnyPath
from cache.places.user_folder import user_folder
from cache.rows import Rows
from cache.shard_records import checksum

__all__ = [
    "MMAP_FOLDER",
    "difference",
    "mmap_files",
    "mmap_folder",
    "mmap_name",
    "mmap_tail",
    "open_copy",
    "rows_of_copy",
]

MMAP_FOLDER = ".hot"
_MAGIC = b"FERHOT1\n"
_FIXED_BYTES = 16  # of the length and the magic
_ABOUT_BYTES = 4096  # of the JSON


def mmap_folder(store: AnyPath) -> Path:
    """Where the copies of the store at `store` are: `.hot` in its features root, `root/<encoder>/<dataset>.zarr`.

    Those of a store on another machine are in this user's cache folder.
    """
    if isinstance(store, Path):
        return store.absolute().parent.parent / MMAP_FOLDER
    return user_folder() / MMAP_FOLDER


def mmap_files(root: Path) -> list[tuple[Path, str]]:
    """The memory-mapped copies in a features root, each with the key of the store that it was made of."""
    return [(path, path.name.partition(".")[0]) for path in sorted((root / MMAP_FOLDER).glob("*.npy"))]


def mmap_name(selection: Rows) -> str:
    """`<key>.<digest>.npy`. The array's digest is in it: features of equal keys may differ in the last bit."""
    store, spec = selection.store, selection.store.array(selection.output)
    content = {
        "output": selection.output,
        "view": selection.view,
        "dtype": spec.dtype,
        "rows": sha256_of(selection.rows.tolist()),
        "array": store.manifest.arrays[selection.output],
    }
    return f"{store.key}.{sha256_of(content)[:16]}.npy"


def mmap_tail(selection: Rows) -> bytes:
    """What a copy holds, after its features."""
    about = {"output": selection.output, "view": selection.view, "rows": len(selection)}
    text = canonical_json(about).encode()
    return selection.rows.astype("<i8").tobytes() + text + len(text).to_bytes(8, "little") + _MAGIC


def rows_of_copy(file: BinaryIO, most_rows: int) -> tuple[str, int, npt.NDArray[np.intp]] | None:
    """Output, view and rows of a memory-mapped copy, from its end; None if it has none, or more than `most_rows`.

    Whether they are those of a store is not checked.
    """
    try:
        end = file.seek(-_FIXED_BYTES, os.SEEK_END)
        length, magic = int.from_bytes(file.read(8), "little"), file.read()
        if magic != _MAGIC or length > _ABOUT_BYTES:
            return None
        file.seek(end - length)
        about = json.loads(file.read(length))
        output, view, n_rows = str(about["output"]), int(about["view"]), int(about["rows"])
        if not 0 <= n_rows <= most_rows:
            return None
        file.seek(end - length - 8 * n_rows)
        return output, view, np.frombuffer(file.read(8 * n_rows), "<i8").astype(np.intp)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None


@contextmanager
def open_copy(path: Path) -> Iterator[BinaryIO | None]:
    """The file at `path`, for reading; None if something else is there, such as a pipe, on which opening would wait."""
    if not path.is_file():
        yield None
        return
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        yield file


def difference(selection: Rows, file: BinaryIO | None) -> str:
    """In what the file of a memory-mapped copy differs from what the store holds; empty if it does not.

    Raises
    ------
    StoreDamagedError
        If the store itself is not what was written.
    """
    if file is None:
        return "expected a file, found something else"
    spec = selection.store.array(selection.output)
    header, tail, n_bytes = npy_header(selection, spec.dtype), mmap_tail(selection), len(selection) * spec.row_bytes
    expected = len(header) + n_bytes + len(tail)
    if (size := os.fstat(file.fileno()).st_size) != expected:
        return f"expected {expected:,} bytes, found {size:,}"
    file.seek(0)
    if file.read(len(header)) != header:
        return "it begins otherwise than a copy of these rows"
    file.seek(len(header) + n_bytes)
    if file.read() != tail:
        return "it ends otherwise than a copy of these rows"
    file.seek(len(header))
    return _different_rows(selection, file)


def _different_rows(selection: Rows, file: BinaryIO) -> str:
    """The first rows that are not those of the store; empty if there are none. `file` is at the first feature."""
    store, output, view = selection.store, selection.output, selection.view
    parts, schema = selection.parts(), store.manifest.schema
    whole = {part.shard for part in parts if part.is_whole(len(schema.rows(part.shard)))}
    read = store.read_shards([part.shard for part in parts if part.shard not in whole], output, view)
    spec = store.array(output)
    for part in parts:
        data = file.read((part.at.stop - part.at.start) * spec.row_bytes)
        values = np.frombuffer(data, np.uint8)
        if part.shard in whole:
            same = checksum(values) == store.manifest.shards[part.shard].checksums[output][view]
        else:
            same = np.array_equal(values, np.ascontiguousarray(next(read)[part.inside]).reshape(-1).view(np.uint8))
        if not same:
            first, last = selection.rows[part.at.start], selection.rows[part.at.stop - 1]
            return f"rows {first}-{last} of {output}, view {view}, are not those of the store"
    return ""
