"""Memory-mapped copies of features, each one file, for random rows of what does not fit into RAM.

A copy is named by what is in it and is never changed, so processes share it and it never goes stale. It is only a
copy: delete it whenever the space is needed.

Before a process uses a copy that it did not make it reads it once, and compares every byte: whole shards with the
manifest's CRC32C, rows of a shard that is not in the copy as a whole with the rows of the store. So a copy needs no
checksums of its own, which a program that alters it could write too, and the reading brings it into the page cache of
the system. A copy that differs is made again, with a warning. The file itself is described in `cache.mmap_format`.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from cache.atomic import atomic_write
from cache.errors import StorageError
from cache.export_formats import npy_header, write_npy
from cache.memory import free_memory
from cache.mmap_format import difference, mmap_folder, mmap_name, mmap_tail, open_copy
from cache.places.refusals import read_errors
from cache.rows import Rows

__all__ = ["in_ram_or_mapped", "mmap_copy"]

logger = logging.getLogger(__name__)

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
    folder : of memory-mapped copies; by default see `mmap_folder`

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
            file.write(mmap_tail(selection))
    with path.open("rb") as file:
        _compared[path] = _file_state(file)
        return _mapped(selection, file)


# Copies that this process made or compared already. A file that was written to since has another state.
_compared: dict[Path, tuple[int, ...]] = {}


def _file_state(file: BinaryIO) -> tuple[int, ...]:
    status = os.fstat(file.fileno())
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _existing(selection: Rows, path: Path) -> npt.NDArray[Any] | None:
    """The copy at `path`; None if none is there, or one that is not what the store holds: that is logged."""
    with read_errors(str(path)):
        if not path.exists():
            return None
        with open_copy(path) as file:
            is_compared = file is not None and _compared.get(path) == _file_state(file)
            problem = "" if is_compared else difference(selection, file)
            if not problem and file is not None:
                _compared[path] = _file_state(file)
                return _mapped(selection, file)
        if file is None and not path.is_dir():
            path.unlink()  # a pipe, which `atomic_write` would not replace
    logger.warning("%s is created again: %s", path, problem)
    return None


def _mapped(selection: Rows, file: BinaryIO) -> npt.NDArray[Any]:
    spec = selection.store.array(selection.output)
    shape, offset = (len(selection), *spec.row_shape), len(npy_header(selection, spec.dtype))
    return np.memmap(file, spec.dtype, "r", offset, shape)


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
