"""Memory-mapped copies of features, each one file, for random rows of what does not fit into RAM.

A copy is named by what is in it and is never changed, so processes share it and it never goes stale. It is only a
copy: delete it whenever the space is needed.

Before a process uses a copy that it did not make it reads it once, and compares every byte: whole shards with the
manifest's CRC32C, rows of a shard that is not in the copy as a whole with the rows of the store. So a copy needs no
checksums of its own, which a program that alters it could write too, and the reading brings it into the page cache of
the system. A copy that differs is made again, with a warning.

Layout: an npy file, which other programs read, and after its data: row numbers (int64, little-endian, shape (N,)), JSON
with output, view and N, the length of that JSON (int64), `FERHOT1` and a line feed. From there `store verify` has the
rows of a copy.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from cache.atomic import atomic_write
from cache.errors import StorageError
from cache.exports import npy_header, write_npy
from cache.keys import canonical_json, sha256_of
from cache.manifest import checksum
from cache.memory import free_memory
from cache.places import Place
from cache.places.refusals import read_errors
from cache.rows import Rows

__all__ = [
    "MMAP_FOLDER",
    "described",
    "difference",
    "in_ram_or_mapped",
    "mmap_copy",
    "mmap_files",
    "mmap_folder",
    "mmap_name",
    "open_copy",
]

logger = logging.getLogger(__name__)

MMAP_FOLDER = ".hot"
_MAGIC = b"FERHOT1\n"
_FIXED_BYTES = 16  # of the length and the magic
_ABOUT_BYTES = 4096  # of the JSON
_RAM_SHARE = 4  # of the free memory a quarter: training makes a float32 copy, twice as large as float16


def in_ram_or_mapped(selection: Rows, budget_bytes: int | None = None) -> npt.NDArray[Any]:
    """The selection's features, shape (N, *row_shape): in RAM up to a budget, else memory-mapped and read-only.

    Parameters
    ----------
    selection : what is read
    budget_bytes : of RAM; by default a quarter of what is free
    """
    n_bytes = len(selection) * selection.store.array(selection.output).row_bytes
    budget = free_memory() // _RAM_SHARE if budget_bytes is None else budget_bytes
    return selection.numpy() if n_bytes <= budget else mmap_copy(selection)


def mmap_copy(selection: Rows, folder: Path | None = None) -> npt.NDArray[Any]:
    """The selection's features as a read-only np.memmap, shape (N, *row_shape); built if it is not there.

    Parameters
    ----------
    selection : what is copied; checked against the manifest while it is
    folder : where memory-mapped copies are kept; by default see `mmap_folder`

    Raises
    ------
    StorageError
        If the disk has no room for it, or refuses.
    StoreDamagedError
        If the store is not what was written; no copy is made then.
    """
    path = (folder or mmap_folder(selection.store.path)) / mmap_name(selection)
    if (existing := _existing(selection, path)) is not None:
        return existing
    _require_room(path.parent, len(selection) * selection.store.array(selection.output).row_bytes)
    with atomic_write(path) as partial:
        write_npy(selection, partial)
        with partial.open("ab") as file:
            file.write(_tail(selection))
    with path.open("rb") as file:
        _compared[path] = _identity(file)
        return _mapped(selection, file)


# Copies that this process made or compared already. A file that was written to since has another identity.
_compared: dict[Path, tuple[int, ...]] = {}


def _identity(file: BinaryIO) -> tuple[int, ...]:
    found = os.fstat(file.fileno())
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _existing(selection: Rows, path: Path) -> npt.NDArray[Any] | None:
    """The copy at `path`; None if none is there, or one that is not what the store holds: that is logged."""
    with read_errors(str(path)):
        if not path.exists():
            return None
        with open_copy(path) as file:
            known = file is not None and _compared.get(path) == _identity(file)
            problem = "" if known else difference(selection, file)
            if not problem and file is not None:
                _compared[path] = _identity(file)
                return _mapped(selection, file)
        if file is None and not path.is_dir():
            path.unlink()  # a pipe, which `atomic_write` would not replace
    logger.warning("%s is made again: %s", path, problem)
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
    header, tail, n_bytes = npy_header(selection, spec.dtype), _tail(selection), len(selection) * spec.row_bytes
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
        found = np.frombuffer(data, np.uint8)
        if part.shard in whole:
            same = checksum(found) == store.manifest.shards[part.shard].checksums[output][view]
        else:
            same = np.array_equal(found, np.ascontiguousarray(next(read)[part.inside]).reshape(-1).view(np.uint8))
        if not same:
            first, last = selection.rows[part.at.start], selection.rows[part.at.stop - 1]
            return f"rows {first}-{last} of {output}, view {view}, are not those of the store"
    return ""


def _mapped(selection: Rows, file: BinaryIO) -> npt.NDArray[Any]:
    spec = selection.store.array(selection.output)
    shape, offset = (len(selection), *spec.row_shape), len(npy_header(selection, spec.dtype))
    return np.memmap(file, spec.dtype, "r", offset, shape)


def _tail(selection: Rows) -> bytes:
    """What a copy holds, after its features."""
    about = {"output": selection.output, "view": selection.view, "rows": len(selection)}
    text = canonical_json(about).encode()
    return selection.rows.astype("<i8").tobytes() + text + len(text).to_bytes(8, "little") + _MAGIC


def described(file: BinaryIO, most_rows: int) -> tuple[str, int, npt.NDArray[np.intp]] | None:
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


def mmap_folder(store: Place) -> Path:
    """Where the copies of the store at `store` are kept: `.hot` in its features root, `root/<encoder>/<dataset>.zarr`.

    Those of a store on another machine are in this user's cache folder.
    """
    if isinstance(store, Path):
        return store.absolute().parent.parent / MMAP_FOLDER
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "fer-stage" / MMAP_FOLDER


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


def _require_room(folder: Path, n_bytes: int) -> None:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if n_bytes > free:
        raise StorageError(
            f"a memory-mapped copy needs {_gigabytes(n_bytes)} in {folder}, {_gigabytes(free)} are free there: "
            "free some space",
            remedy=[("store gc", {"root": str(folder.parent)})],
            purpose="to remove copies that no store needs",
        )


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.3g} GB"
