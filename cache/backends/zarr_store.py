"""Zarr v3: a tree with one file per chunk, each closed by a CRC32C; on a disk, on an object store or in memory.

Chunks are cut so that each belongs to one shard; every write covers whole chunks, so nothing is ever read back and
merged. While it grows the group has no manifest, hence no reader takes it for a store.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import Crc32cCodec
from zarr.errors import GroupNotFoundError
from zarr.storage import FsspecStore

from cache.atomic import flush_file, flush_folder, storage_errors
from cache.backends.base import COLUMNS, MANIFEST, Columns, damage_reported, read_joined
from cache.errors import NewerSchemaError, SchemaError
from cache.objects import ENTRY
from cache.places import Place, is_file, reachable, remove_tree
from cache.schema import ArraySpec, Schema

__all__ = ["ZarrBackend"]

_FORMAT: Literal[3] = 3
_AXES: dict[str, tuple[str, ...]] = {"pooled": ("feature",), "pixels": ("y", "x", "channel")}  # of one row


class ZarrBackend:
    """One Zarr group: the outputs at its top, the columns in the group `columns`."""

    suffix = ".zarr"

    def create(self, folder: Place, schema: Schema) -> None:
        with storage_errors(folder):
            group = zarr.create_group(_storage(_growing(folder)), zarr_format=_FORMAT, overwrite=True)
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

    def holds_blocks(self, folder: Place) -> bool:
        with reachable(folder):
            return is_file(_growing(folder) / ENTRY)

    def write_block(self, folder: Place, schema: Schema, name: str, shard: int, block: npt.NDArray[Any]) -> None:
        rows, growing = schema.rows(shard), _growing(folder)
        with storage_errors(folder):
            # A block that happens to equal the fill value must be on disk all the same.
            array = _array(growing, name, mode="r+").with_config({"write_empty_chunks": True})
            array[:, rows.start : rows.stop] = block
            if isinstance(growing, Path):
                _flush_chunks(growing / name / "c", rows, schema.n_views, schema.chunk_rows(schema.array(name)))

    def read_block(self, folder: Place, schema: Schema, name: str, shard: int) -> npt.NDArray[Any]:
        rows = schema.rows(shard)
        with damage_reported(f"{folder}: shard {shard} of {name}"), reachable(folder):
            return np.asarray(_array(_growing(folder), name)[:, rows.start : rows.stop])

    def assemble(self, folder: Place, schema: Schema, columns: Columns, manifest: str) -> Place:
        growing = _growing(folder)
        with storage_errors(folder):
            if isinstance(growing, Path):
                for torn in growing.rglob("*.partial"):  # of a killed writer: zarr writes beside and renames
                    torn.unlink()
            remove_tree(growing / COLUMNS)
            group = zarr.open_group(_storage(growing), mode="r+", zarr_format=_FORMAT)
            kept = group.create_group(COLUMNS)
            for name, values in columns.items():
                data = _as_strings(values) if values.dtype == object else values
                kept.create_array(name, data=data, dimension_names=("row",))
            group.attrs[MANIFEST] = manifest
            if isinstance(growing, Path):
                _flush_tree(growing)
        return growing

    def read_manifest(self, path: Place) -> str:
        with damage_reported(f"{path}: the manifest"), reachable(path):
            try:
                return str(zarr.open_group(_storage(path), mode="r", zarr_format=_FORMAT).attrs[MANIFEST])
            except (GroupNotFoundError, KeyError, NotADirectoryError) as error:
                raise SchemaError(f"{path} is not a fer-stage store: it is no Zarr group with a manifest") from error
            except ValueError as error:
                _refuse_newer(path, error)
                raise

    def read_column(self, path: Place, name: str) -> npt.NDArray[Any]:
        with damage_reported(f"{path}: column {name}"), reachable(path):
            values = np.asarray(_array(path, f"{COLUMNS}/{name}")[:])
            return values.astype(object) if values.dtype.kind in "TU" else values

    def read_ranges(self, path: Place, name: str, view: int, ranges: Sequence[range]) -> list[npt.NDArray[Any]]:
        what = f"{name}, view {view}"
        with damage_reported(f"{path}: {what}"), reachable(path):
            array = _array(path, name)

        def read(rows: range) -> npt.NDArray[Any]:
            with reachable(path):  # inside: a lost network is no damage
                return np.asarray(array[view, rows.start : rows.stop])

        return read_joined(read, ranges, path, what)


def _dimensions(array: ArraySpec) -> tuple[str, ...]:
    """What the axes are, for readers that go by names, as xarray does: there one name has one size in all arrays."""
    axes = _AXES.get(array.name, (f"{array.name}_position", f"{array.name}_feature"))
    if len(axes) != len(array.row_shape):
        axes = tuple(f"{array.name}_{axis}" for axis in range(len(array.row_shape)))
    return ("view", "row", *axes)


def _refuse_newer(path: Place, error: ValueError) -> None:
    """NewerSchemaError if the group is of a Zarr format that this library does not know yet; that is no damage."""
    try:
        version = json.loads((path / ENTRY).read_bytes())["zarr_format"]
    except (ValueError, KeyError, TypeError):
        return
    if isinstance(version, int) and version > _FORMAT:
        raise NewerSchemaError(
            f"{path} is of Zarr format {version}, this program reads {_FORMAT}: update fer-stage and zarr"
        ) from error


def _growing(folder: Place) -> Place:
    return folder / "store.zarr"


def _storage(path: Place) -> Path | FsspecStore:
    """What zarr opens: it has a client of its own for an object store, with our options."""
    return path if isinstance(path, Path) else FsspecStore.from_url(str(path), dict(path.storage_options))


def _array(path: Place, name: str, mode: Literal["r", "r+"] = "r") -> zarr.Array[Any]:
    return zarr.open_array(_storage(path), path=name, mode=mode, zarr_format=_FORMAT)


def _as_strings(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values.astype(np.dtypes.StringDType())


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
