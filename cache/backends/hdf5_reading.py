"""HDF5 files, read only where they are as our writer makes them."""

from __future__ import annotations

import errno
from pathlib import Path

import h5py
import numpy as np

from cache.backends.expected import TEXT, Layout
from cache.errors import SchemaError
from cache.places import AnyPath, is_file
from cache.places.refusals import NO_LOCKS, read_errors

__all__ = ["array_in", "layout_of", "opened", "raw_rows_of", "require_hdf5", "require_texts"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])  # to a text, as stored in the file


def opened(path: AnyPath) -> h5py.File:
    """The file, for reading.

    HDF5 locks it meanwhile, so that no program changes it: a reader at the same time as a writer could see half of a
    change, and would report damage. Only where the file system has no locks it is read without.
    """
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "expected a file", str(path))
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return h5py.File(path, "r", locking=False)


def require_hdf5(path: Path) -> None:
    """SchemaError if the file does not begin as HDF5 does. h5py.is_hdf5 is also False without permission."""
    with read_errors(str(path)):
        if not is_file(path):
            what = "a folder" if path.is_dir() else "a pipe, a device or a socket"
            raise SchemaError(f"{path} is not a fer-stage store: expected an HDF5 file, found {what}")
        with path.open("rb") as file:
            beginning = file.read(len(_SIGNATURE))
    if beginning != _SIGNATURE:
        raise SchemaError(f"{path} is not a fer-stage store: it is no HDF5 file")


def array_in(file: h5py.File, name: str) -> h5py.Dataset:
    """An array that is stored in this file in one piece, as our writer makes them.

    HDF5 can also point to other files, compress, and map parts of other arrays: ValueError for all of that.
    """
    parts = name.split("/")
    for depth in range(1, len(parts) + 1):
        link = file.get("/".join(parts[:depth]), getlink=True)
        if type(link) is not h5py.HardLink:
            raise ValueError(f"expected {name} in the file itself, found a link")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise TypeError(f"expected {name} to be an array, found a group")
    if dataset.is_virtual or dataset.external or dataset.chunks is not None:
        raise ValueError(f"expected {name} in one piece, found it in chunks or in other files")
    is_text = h5py.check_string_dtype(dataset.dtype)
    n_bytes = dataset.size * (_REFERENCE if is_text else dataset.dtype).itemsize
    if dataset.id.get_storage_size() != n_bytes:
        raise ValueError(f"expected {n_bytes} bytes of {name}, found {dataset.id.get_storage_size()}")
    return dataset


def raw_rows_of(file: h5py.File, dataset: h5py.Dataset, dtype: str) -> tuple[int, int]:
    """Where the numbers of an array are: the file descriptor of the open file, and the array's first byte in it.

    The array is in one piece, so its rows can be read past HDF5, by several threads at once. ValueError if its numbers
    are not of `dtype` in this machine's order of bytes, or nothing is stored of it.
    """
    offset = dataset.id.get_offset()
    if dataset.dtype != np.dtype(dtype) or offset is None:
        raise ValueError(f"expected stored numbers of {dtype}, found {dataset.dtype.str!a} at {offset}")
    return int(file.id.get_vfd_handle()), int(offset)


def layout_of(dataset: h5py.Dataset) -> Layout:
    """Shape and dtype of an array; it is stored in one piece."""
    is_text = h5py.check_string_dtype(dataset.dtype)
    return Layout(dataset.shape, TEXT if is_text else dataset.dtype.name, None)


def require_texts(path: Path, dataset: h5py.Dataset, limit: int) -> None:
    """ValueError if the texts of an array are more than `limit` bytes: HDF5 allocates what their references say."""
    offset, n_texts = dataset.id.get_offset(), dataset.size
    if h5py.check_string_dtype(dataset.dtype).length is not None or offset is None:
        raise ValueError("expected texts of any length, found texts of a fixed length")
    with path.open("rb") as file:
        file.seek(offset)
        references = np.fromfile(file, _REFERENCE, n_texts)
    n_bytes = int(references["length"].sum(dtype=np.uint64))
    if len(references) != n_texts or n_bytes > limit:
        raise ValueError(f"expected texts of at most {limit} bytes together, found {n_bytes}")
