"""Zarr v3: a tree with one file per chunk, each closed by a CRC32C; on a disk, on an object store or in memory.

Chunks are cut so that each belongs to one shard; every write covers whole chunks, so nothing is ever read back and
merged. While it grows the group has no manifest, so no reader takes it for a store.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import Crc32cCodec
from zarr.storage import FsspecStore, LocalStore, StorePath

from cache.atomic import flush_file, flush_folder
from cache.backends.base import COLUMNS, MANIFEST, Target, damage_reported, rows_reported
from cache.backends.expected import TEXT, Layout, column_problem, output_problem, require, text_limit
from cache.backends.zarr_chunks import ChunkLimit, LimitedStore
from cache.backends.zarr_metadata import FORMAT, array_metadata, chunk_files, layout_of, manifest_text
from cache.backends.zarr_rows import ChunkRows, are_plain_numbers
from cache.columns import Column, Columns, TextColumn, is_text
from cache.places import AnyPath, files_below, is_file, network_errors, remove_tree
from cache.places.objects import METADATA_FILE
from cache.places.refusals import storage_errors
from cache.schema import ArraySpec, Schema
from cache.shard_records import checksum

__all__ = ["ZarrBackend"]

_TEXTS_TOGETHER = 2**14  # that are Python objects at once
_AXES: dict[str, tuple[str, ...]] = {"pooled": ("feature",), "pixels": ("y", "x", "channel")}  # of one row


class ZarrBackend:
    """One Zarr group: the outputs at its top, the columns in the group `columns`."""

    suffix = ".zarr"

    def create(self, folder: AnyPath, schema: Schema) -> None:
        with storage_errors(folder):
            group = zarr.create_group(_storage(_growing(folder)), zarr_format=FORMAT, overwrite=True)
            for array in schema.arrays:
                group.create_array(
                    array.name,
                    shape=(schema.n_views, schema.n_rows, *array.row_shape),
                    chunks=(1, schema.chunk_rows(array), *array.row_shape),
                    dtype=array.dtype,
                    compressors=[Crc32cCodec()],
                    filters=None,
                    fill_value=array.missing,
                    dimension_names=_dimensions(array),
                )

    def holds_blocks(self, folder: AnyPath) -> bool:
        with network_errors(folder):
            return is_file(_growing(folder) / METADATA_FILE)

    def write_block(self, folder: AnyPath, schema: Schema, name: str, shard: int, block: npt.NDArray[Any]) -> None:
        rows, growing = schema.rows(shard), _growing(folder)
        with storage_errors(folder):
            # A block that happens to equal the fill value must be on disk all the same.
            array = _writable(growing, name).with_config({"write_empty_chunks": True})
            array[:, rows.start : rows.stop] = block
            if isinstance(growing, Path):
                _flush_chunks(growing / name / "c", rows, schema.n_views, schema.chunk_rows(schema.array(name)))

    def read_block(self, folder: AnyPath, schema: Schema, name: str, shard: int) -> npt.NDArray[Any]:
        rows = schema.rows(shard)
        with damage_reported(f"{folder}: shard {shard} of {name}"), network_errors(folder):
            metadata = _metadata(_growing(folder), name)
            return np.asarray(_output(_growing(folder), schema, name, metadata)[:, rows.start : rows.stop])

    def assemble(self, folder: AnyPath, schema: Schema, columns: Columns, manifest: str) -> AnyPath:
        growing = _growing(folder)
        with storage_errors(folder):
            if isinstance(growing, Path):
                for torn in growing.rglob("*.partial"):  # of a killed writer: zarr writes to it, then renames
                    torn.unlink()
            remove_tree(growing / COLUMNS)
            group = zarr.open_group(_storage(growing), mode="r+", zarr_format=FORMAT)
            column_group = group.create_group(COLUMNS)
            for name, column in columns.items():
                _write_column(column_group, name, column)
            group.attrs[MANIFEST] = manifest
            if isinstance(growing, Path):
                _flush_tree(growing)
        return growing

    def read_manifest(self, path: AnyPath) -> str:
        return manifest_text(path)

    def read_column(self, path: AnyPath, schema: Schema, name: str) -> Column:
        with damage_reported(f"{path}: column {name}"), network_errors(path):
            values = np.asarray(_column(path, schema, name)[:])
        if values.dtype.kind not in "TU":
            return values
        return TextColumn(len(values), lambda start, stop: values[start:stop].tolist())

    def read_into(self, path: AnyPath, schema: Schema, name: str, view: int, targets: Sequence[Target]) -> list[int]:
        with damage_reported(f"{path}: {name}, view {view}"), network_errors(path):
            metadata = _metadata(path, name)
            layout = layout_of(metadata)
            require(output_problem(layout, schema, name))
            if are_plain_numbers(metadata):
                _view, chunk_rows, *row_shape = layout.chunks or layout.shape
                chunks = ChunkRows(path, name, view, chunk_rows, len(row_shape), len(metadata["codecs"]) > 1)
                return chunks.read_into(targets)
            array = _output(path, schema, name, metadata)
        return [self._read_by_zarr(path, array, name, view, target) for target in targets]

    def _read_by_zarr(self, path: AnyPath, array: zarr.Array[Any], name: str, view: int, target: Target) -> int:
        """For chunks that another program compressed."""
        with rows_reported(path, name, view, target.rows), network_errors(path):  # a lost network is no damage
            target.into[...] = array[view, target.rows.start : target.rows.stop]
            return checksum(target.into)

    def layout(self, path: AnyPath, name: str) -> Layout | None:
        metadata = array_metadata(path, name)
        return layout_of(metadata) if metadata else None

    def members(self, path: AnyPath) -> set[str]:
        top = f"{path.as_posix()}/"
        with network_errors(path):
            return {file.as_posix().removeprefix(top) for file in files_below(path)}

    def required_members(self, outputs: Mapping[str, Layout]) -> dict[str, range | None]:
        members: dict[str, range | None] = {METADATA_FILE: None}
        for name, layout in outputs.items():
            members[f"{name}/{METADATA_FILE}"] = None
            members |= chunk_files(name, layout)
        return members

    def allowed_members(self, columns: Mapping[str, Layout]) -> set[str]:
        names = {f"{COLUMNS}/{METADATA_FILE}"}
        for name, layout in columns.items():
            names |= {f"{name}/{METADATA_FILE}", *chunk_files(name, layout)}
        return names


def _dimensions(array: ArraySpec) -> tuple[str, ...]:
    """What the axes are, for readers that go by names, as xarray does: there one name has one size in all arrays."""
    axes = _AXES.get(array.name, (f"{array.name}_position", f"{array.name}_feature"))
    if len(axes) != len(array.row_shape):
        axes = tuple(f"{array.name}_{axis}" for axis in range(len(array.row_shape)))
    return ("view", "row", *axes)


def _growing(folder: AnyPath) -> AnyPath:
    return folder / "store.zarr"


def _storage(path: AnyPath) -> Path | FsspecStore:
    """What zarr opens: it has a client of its own for an object store, with our options."""
    return path if isinstance(path, Path) else FsspecStore.from_url(str(path), dict(path.storage_options))


def _writable(path: AnyPath, name: str) -> zarr.Array[Any]:
    return zarr.open_array(_storage(path), path=name, mode="r+", zarr_format=FORMAT)


def _output(path: AnyPath, schema: Schema, name: str, metadata: dict[str, Any]) -> zarr.Array[Any]:
    """An output for reading; ValueError if it is not stored as the schema says."""
    layout = layout_of(metadata)
    require(output_problem(layout, schema, name))
    n_bytes = math.prod(layout.chunks or ()) * np.dtype(layout.dtype).itemsize
    return _array(path, name, metadata, ChunkLimit(n_bytes))


def _column(path: AnyPath, schema: Schema, name: str) -> zarr.Array[Any]:
    metadata = _metadata(path, f"{COLUMNS}/{name}")
    layout = layout_of(metadata)
    require(column_problem(layout, schema, name))
    n_values = math.prod(layout.chunks or ())
    is_text = layout.dtype == TEXT
    n_bytes = text_limit(schema.n_rows) if is_text else n_values * np.dtype(layout.dtype).itemsize
    return _array(path, f"{COLUMNS}/{name}", metadata, ChunkLimit(n_bytes, n_values if is_text else None))


def _metadata(path: AnyPath, name: str) -> dict[str, Any]:
    metadata = array_metadata(path, name)
    if metadata is None:
        raise ValueError("the array is not there")
    return metadata


def _array(path: AnyPath, name: str, metadata: dict[str, Any], limit: ChunkLimit) -> zarr.Array[Any]:
    storage = _storage(path)
    store = LocalStore(storage, read_only=True) if isinstance(storage, Path) else storage.with_read_only(read_only=True)
    limit = replace(limit, compressed=metadata["codecs"][-1]["name"] == "zstd")
    return zarr.Array.from_dict(StorePath(LimitedStore(store, limit), name), metadata)


def _write_column(group: zarr.Group, name: str, column: Column) -> None:
    """Write a column chunk by chunk: not all of its texts are in memory at once."""
    dtype = np.dtypes.StringDType() if is_text(column) else column.dtype
    array = group.create_array(name, shape=column.shape, dtype=dtype, dimension_names=("row",))
    for start in range(0, len(column), array.chunks[0]):
        chunk = np.empty(min(array.chunks[0], len(column) - start), dtype)
        for at in range(0, len(chunk), _TEXTS_TOGETHER):
            chunk[at : at + _TEXTS_TOGETHER] = column[start + at : start + min(at + _TEXTS_TOGETHER, len(chunk))]
        array[start : start + len(chunk)] = chunk


def _flush_chunks(chunks: Path, rows: range, n_views: int, chunk_rows: int) -> None:
    for view in range(n_views):
        for chunk in range(rows.start // chunk_rows, -(-rows.stop // chunk_rows)):
            _flush_tree(chunks / str(view) / str(chunk))
        flush_folder(chunks / str(view))


def _flush_tree(top: Path) -> None:
    if top.is_file():
        flush_file(top)
        return
    for folder, _folders, files in os.walk(top):
        for file in files:
            flush_file(Path(folder, file))
        flush_folder(Path(folder))
