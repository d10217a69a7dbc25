"""HDF5: blocks are separate files while the store grows; the end is one file with contiguous arrays.

A killed HDF5 writer leaves a file that cannot be opened, so no HDF5 file is ever open for longer than the final
assembly, which starts again after a kill.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from cache.atomic import flush_file, write_bytes
from cache.backends.base import COLUMNS, MANIFEST, Target, damage_reported, rows_reported
from cache.backends.expected import Layout, column_problem, output_problem, require, text_limit
from cache.backends.hdf5_reading import array_in, layout_of, opened, raw_rows_of, require_hdf5, require_texts
from cache.backends.raw_rows import read_rows
from cache.columns import Column, Columns, is_text, row_blocks
from cache.errors import SchemaError, StorageError
from cache.manifest import MAX_MANIFEST_BYTES
from cache.places import AnyPath, require_plain_file
from cache.places.refusals import storage_errors
from cache.schema import Schema
from cache.threads import side_by_side

__all__ = ["Hdf5Backend"]

_TEXT_ENTRY, _HEADERS = 64, 2**16  # bytes: a text's reference and its place in the heap; what describes the arrays
_TEXTS_TOGETHER = 2**16  # as HDF5 converts them: other blocks would give another order of the bytes in the file
_FORMAT = ("v110", "v110")  # its metadata have checksums; HDF5 may loop for ever over older ones that are corrupted


class Hdf5Backend:
    """One HDF5 file: the outputs at its root, the columns in the group `columns`, the manifest as a text."""

    suffix = ".h5"

    def create(self, folder: AnyPath, schema: Schema) -> None:
        with storage_errors(folder):
            _on_disk(folder).mkdir(parents=True, exist_ok=True)

    def holds_blocks(self, folder: AnyPath) -> bool:
        return folder.is_dir()

    def write_block(self, folder: AnyPath, schema: Schema, name: str, shard: int, block: npt.NDArray[Any]) -> None:
        buffer = io.BytesIO()
        np.save(buffer, block, allow_pickle=False)
        write_bytes(_block(_on_disk(folder), name, shard), buffer.getvalue())

    def read_block(self, folder: AnyPath, schema: Schema, name: str, shard: int) -> npt.NDArray[Any]:
        return np.array(_loaded(_on_disk(folder), schema, name, shard))

    def assemble(self, folder: AnyPath, schema: Schema, columns: Columns, manifest: str) -> Path:
        blocks = _on_disk(folder)
        target = blocks / "store.h5"
        with storage_errors(target):
            _require_space(blocks / "space", _size_at_most(blocks, columns, manifest))
            with _DeferredErrors(target, "w+") as sink:
                try:
                    with h5py.File(sink, "w", libver=_FORMAT) as file:
                        _fill(file, blocks, schema, columns, manifest)
                finally:  # also where HDF5 failed because of the write
                    sink.settle()
            flush_file(target)
        return target

    def read_manifest(self, path: AnyPath) -> str:
        if not isinstance(path, Path):
            raise StorageError(
                f"{path}: expected an HDF5 store on a disk of this machine, found one in an object store, which HDF5 "
                "cannot read. Copy the file to a disk first, or keep Zarr there"
            )
        require_hdf5(path)
        with damage_reported(f"{path}: the manifest"), opened(path) as file:
            if MANIFEST not in file:
                raise SchemaError(f"{path} is not a fer-stage store: it has no manifest")
            dataset = array_in(file, MANIFEST)
            if dataset.shape != () or not h5py.check_string_dtype(dataset.dtype):
                raise SchemaError(f"{path} is not a fer-stage store: its manifest is no text")
            require_texts(path, dataset, MAX_MANIFEST_BYTES)
            return str(dataset.asstr()[()])

    def read_column(self, path: AnyPath, schema: Schema, name: str) -> Column:
        with damage_reported(f"{path}: column {name}"), opened(path) as file:
            dataset = array_in(file, f"{COLUMNS}/{name}")
            require(column_problem(layout_of(dataset), schema, name))
            if not h5py.check_string_dtype(dataset.dtype):
                return np.asarray(dataset[:])
            require_texts(_on_disk(path), dataset, text_limit(schema.n_rows))
            return np.asarray(dataset.asstr()[:])

    def read_into(self, path: AnyPath, schema: Schema, name: str, view: int, targets: Sequence[Target]) -> list[int]:
        with damage_reported(f"{path}: {name}, view {view}"), opened(path) as file:
            array = array_in(file, name)
            require(output_problem(layout_of(array), schema, name))
            descriptor, start = raw_rows_of(file, array, schema.array(name).dtype)
            row_bytes = schema.array(name).row_bytes

            def read(target: Target) -> int:
                with rows_reported(path, name, view, target.rows):
                    first = view * schema.n_rows + target.rows.start
                    return read_rows(descriptor, start + first * row_bytes, target.into)

            return side_by_side(read, targets)

    def layout(self, path: AnyPath, name: str) -> Layout | None:
        with damage_reported(f"{path}: the description of {name}"), opened(path) as file:
            return layout_of(array_in(file, name)) if name in file else None

    def members(self, path: AnyPath) -> set[str]:
        names: list[str] = []
        with damage_reported(f"{path}: the list of arrays"), opened(path) as file:
            file.visit(names.append)
        return set(names)

    def required_members(self, outputs: Mapping[str, Layout]) -> dict[str, range | None]:
        return {MANIFEST: None, **{name: range(layout.shape[1]) for name, layout in outputs.items()}}

    def allowed_members(self, columns: Mapping[str, Layout]) -> set[str]:
        return {COLUMNS, *columns}


def _on_disk(where: AnyPath) -> Path:
    """HDF5 is one file of this machine's disks: an object store cannot be written or read in the middle."""
    if not isinstance(where, Path):
        raise StorageError(f"{where}: expected a folder of this machine for HDF5. Use --backend zarr there")
    return where


class _DeferredErrors(io.FileIO):
    """A file that raises a failed write only after HDF5 has closed it: HDF5 crashes if a write fails."""

    _refusal: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and not self._refusal:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._refusal = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self._refusal = error
            return size or 0

    def settle(self) -> None:
        """Raise what the system refused, if it did."""
        if self._refusal:
            raise self._refusal


def _require_space(path: Path, n_bytes: int) -> None:
    """Find a full disk before HDF5 begins to write: where a write fails it may take the whole process with it."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, n_bytes)
    finally:
        path.unlink(missing_ok=True)


def _size_at_most(folder: Path, columns: Columns, manifest: str) -> int:
    """Bytes that the joined file cannot exceed: its blocks, its texts with HDF5's own entry for each, and headers."""
    blocks = sum(path.stat().st_size for path in folder.glob("*.npy"))
    all_values = (value for column in columns.values() for block in row_blocks(column) for value in block.tolist())
    texts = sum(len(str(value).encode()) + _TEXT_ENTRY for value in all_values)
    return blocks + texts + len(manifest.encode()) + _HEADERS


def _fill(file: h5py.File, folder: Path, schema: Schema, columns: Columns, manifest: str) -> None:
    for array in schema.arrays:
        shape = (schema.n_views, schema.n_rows, *array.row_shape)
        dataset = file.create_dataset(array.name, shape=shape, dtype=array.dtype)
        for shard in range(schema.n_shards):
            rows = schema.rows(shard)
            dataset[:, rows.start : rows.stop] = _loaded(folder, schema, array.name, shard)
    group = file.create_group(COLUMNS)
    for name, column in columns.items():
        dtype = h5py.string_dtype() if is_text(column) else column.dtype
        dataset, start = group.create_dataset(name, shape=column.shape, dtype=dtype), 0
        for block in row_blocks(column, _TEXTS_TOGETHER):
            dataset[start : start + len(block)] = block
            start += len(block)
    # A dataset, since an attribute may hold 64 kB only.
    file.create_dataset(MANIFEST, data=manifest, dtype=h5py.string_dtype())


def _block(folder: Path, name: str, shard: int) -> Path:
    return folder / f"{name}.{shard:06d}.npy"


def _loaded(folder: Path, schema: Schema, name: str, shard: int) -> npt.NDArray[Any]:
    """A block, memory-mapped: its header may say any shape. StoreDamagedError if it is not that of the schema."""
    path, array = _block(folder, name, shard), schema.array(name)
    expected = (schema.n_views, len(schema.rows(shard)), *array.row_shape)
    with damage_reported(f"{folder}: shard {shard} of {name}"):
        require_plain_file(path, math.prod(expected) * np.dtype(array.dtype).itemsize + _HEADERS)
        block = np.load(path, mmap_mode="r", allow_pickle=False)
        if (block.shape, block.dtype) != (expected, np.dtype(array.dtype)):
            raise ValueError(f"expected {array.dtype}{expected}, found {block.dtype}{block.shape}")
    return np.asanyarray(block)
