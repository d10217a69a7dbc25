"""Whether the memory-mapped copies of a store hold what the store does: for `cache.upkeep.integrity`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cache.mmap_format import difference, mmap_folder, mmap_name, open_copy, rows_of_copy
from cache.places.refusals import read_errors
from cache.rows import Rows
from cache.store import Store

__all__ = ["wrong_copies"]


def wrong_copies(store: Store) -> Iterator[tuple[Path, str | None]]:
    """Files that have the name of a memory-mapped copy of this store and are not what it holds.

    Yields
    ------
    The path and in what the copy differs; None instead if it does not say which rows it holds, as copies of earlier
    versions do not. No reader uses such a file.

    Raises
    ------
    StoreDamagedError
        If the store itself is not what was written.
    StorageError
        If a copy cannot be read now.
    """
    for path in _copies(store):
        with read_errors(str(path)), open_copy(path) as file:
            selection = _selection(store, path, file)
            problem = None if selection is None else difference(selection, file)
        if problem != "":
            yield path, problem


def _copies(store: Store) -> list[Path]:
    folder = mmap_folder(store.path)
    with read_errors(str(folder)):
        files = folder.iterdir() if folder.is_dir() else ()
        return sorted(path for path in files if path.name.startswith(f"{store.key}.") and path.suffix == ".npy")


def _selection(store: Store, path: Path, file: BinaryIO | None) -> Rows | None:
    """The rows of which this is a copy, by its own end; None if its name is not that of a copy of these rows."""
    about = rows_of_copy(file, len(store)) if file else None
    if about is None:
        return None
    output, view, rows = about
    known = output in store.manifest.arrays and 0 <= view < store.n_views()
    if not known or not (np.diff(rows, prepend=-1, append=len(store)) > 0).all():
        return None
    selection = Rows(store, rows, (), output, view)
    return selection if mmap_name(selection) == path.name else None
