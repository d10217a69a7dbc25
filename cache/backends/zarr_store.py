"""Zarr v3: a folder with one file per chunk, each closed by a CRC32C.

Chunks are cut so that each belongs to one shard; every write covers whole chunks, so nothing is ever read back and
merged. While it grows the group has no manifest, hence no reader takes it for a store.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import Crc32cCodec
from zarr.errors import GroupNotFoundError

from cache.atomic import flush_file, flush_folder, storage_errors
from cache.backends.base import Columns, damage_reported
from cache.errors import SchemaError
from cache.schema import Schema

__all__ = ["ZarrBackend"]

_MANIFEST = "fer_stage"
_COLUMNS = "columns"


class ZarrBackend:
    """One Zarr group: the outputs at its top, the columns in the group `columns`."""

    suffix = ".zarr"

    def create(self, folder: Path, schema: Schema) -> None:
        with storage_errors(folder):
            group = zarr.create_group(_growing(folder), zarr_format=3, overwrite=True)
            for array in schema.arrays:
                group.create_array(
                    array.name,
                    shape=(schema.n_views, schema.n_rows, *array.row_shape),
                    chunks=(1, schema.chunk_rows(array), *array.row_shape),
                    dtype=array.dtype,
                    compressors=[Crc32cCodec()],
                    filters=None,
                    fill_value=array.missing,
                )

    def holds_blocks(self, folder: Path) -> bool:
        return _growing(folder).is_dir()

    def write_block(self, folder: Path, schema: Schema, name: str, shard: int, block: npt.NDArray[Any]) -> None:
        rows, chunk_rows = schema.rows(shard), schema.chunk_rows(schema.array(name))
        with storage_errors(folder):
            # A block that happens to equal the fill value must be on disk all the same.
            array = _array(_growing(folder), name, mode="r+").with_config({"write_empty_chunks": True})
            array[:, rows.start : rows.stop] = block
            for view in range(schema.n_views):
                chunks = _growing(folder) / name / "c" / str(view)
                for chunk in range(rows.start // chunk_rows, -(-rows.stop // chunk_rows)):
                    _flush_tree(chunks / str(chunk))
                flush_folder(chunks)

    def assemble(self, folder: Path, schema: Schema, columns: Columns, manifest: str) -> Path:
        with storage_errors(folder):
            for torn in _growing(folder).rglob("*.partial"):  # of a killed writer: zarr writes beside and renames
                torn.unlink()
            group = zarr.open_group(_growing(folder), mode="r+")
            shutil.rmtree(_growing(folder) / _COLUMNS, ignore_errors=True)
            kept = group.create_group(_COLUMNS)
            for name, values in columns.items():
                kept.create_array(name, data=_as_strings(values) if values.dtype == object else values)
            group.attrs[_MANIFEST] = manifest
            _flush_tree(_growing(folder))
        return _growing(folder)

    def read_manifest(self, path: Path) -> str:
        with damage_reported(f"{path}: the manifest"):
            try:
                return str(zarr.open_group(path, mode="r").attrs[_MANIFEST])
            except (GroupNotFoundError, KeyError, NotADirectoryError) as error:
                raise SchemaError(f"{path} is not a fer-stage store: it is no Zarr group with a manifest") from error

    def read_column(self, path: Path, name: str) -> npt.NDArray[Any]:
        with damage_reported(f"{path}: column {name}"):
            values = np.asarray(_array(path, f"{_COLUMNS}/{name}")[:])
            return values.astype(object) if values.dtype.kind in "TU" else values

    def read_rows(self, path: Path, name: str, view: int, rows: range) -> npt.NDArray[Any]:
        with damage_reported(f"{path}: rows {rows.start}-{rows.stop - 1} of {name}, view {view}"):
            return np.asarray(_array(path, name)[view, rows.start : rows.stop])


def _growing(folder: Path) -> Path:
    return folder / "store.zarr"


def _array(path: Path, name: str, mode: Literal["r", "r+"] = "r") -> zarr.Array[Any]:
    found = zarr.open_group(path, mode=mode)[name]
    if not isinstance(found, zarr.Array):
        raise TypeError(f"{name} is not an array")
    return found


def _as_strings(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values.astype(np.dtypes.StringDType())


def _flush_tree(top: Path) -> None:
    if top.is_file():
        flush_file(top)
        return
    for folder, _folders, files in os.walk(top):
        for file in files:
            flush_file(Path(folder, file))
        flush_folder(Path(folder))
