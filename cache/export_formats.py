"""The files that rows are exported to: Parquet, npy with a CSV, safetensors with a CSV. Written shard by shard.

out.parquet       the columns, and the feature as a fixed-size list (a row of several axes is flattened); as a plain
                  list where a row has none, since few programs read a null among lists of a fixed size
out.npy           the features; out.npy.csv the columns; out.npy.json what they are
out.safetensors   the features as one tensor; out.safetensors.csv the columns
Each says whose features they are: the store's key, encoder, output, shape and provenance, as JSON under `fer_stage`.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cache.atomic import atomic_write
from cache.csv_cells import write_csv
from cache.keys import canonical_json
from cache.rows import Rows
from cache.schema import ArraySpec

__all__ = ["AS_STORED", "EXPORT_FORMATS", "Export", "ExportForm", "npy_header", "write_npy"]

Mask = npt.NDArray[np.bool_]

_VERSION = 2  # of the description in an export; in 1, rows without a feature were NaN in Parquet too
_GROUP_BYTES = 8 * 2**20  # of features in one row group of a Parquet file
_SAFETENSORS = {"float16": "F16", "float32": "F32", "uint8": "U8"}


@dataclass(frozen=True)
class ExportForm:
    """How features are written for another program.

    Parameters
    ----------
    rejected : rows without a feature are written (null in Parquet, NaN in arrays), or dropped with their columns
    dtype : `float32` where a program reads no half floats; None is as stored
    plain_list : a list of any length in Parquet, where a program reads none of a fixed size
    """

    rejected: Literal["keep", "drop"] = "keep"
    dtype: Literal["float32"] | None = None
    plain_list: bool = False


AS_STORED = ExportForm()


@dataclass(frozen=True)
class Export:
    """What is written: rows with their features and columns, `missing` where a row has no feature, shape (N,)."""

    selection: Rows
    frame: pd.DataFrame
    missing: Mask
    form: ExportForm

    @property
    def dtype(self) -> str:
        return self.form.dtype or self.stored.dtype

    @property
    def stored(self) -> ArraySpec:
        return self.selection.store.array(self.selection.output)

    def about(self) -> str:
        """What the exported numbers are, as JSON."""
        store, selection = self.selection.store, self.selection
        return canonical_json(
            {
                "export": _VERSION,
                "key": store.key,
                "dataset": store.dataset,
                "output": selection.output,
                "view": selection.view,
                "row_shape": list(self.stored.row_shape),
                "dtype": self.dtype,
                "rows": len(selection),
                "rows_without_feature": int(self.missing.sum()),
                "encoder": dict(store.encoder),
                "provenance": dict(store.manifest.provenance),
            }
        )


def _to_parquet(export: Export, path: Path) -> tuple[Path, ...]:
    columns = pa.Table.from_pandas(export.frame, preserve_index=False).replace_schema_metadata(
        {"fer_stage": export.about()}
    )
    spec, name = export.stored, export.selection.output
    element, width = pa.from_numpy_dtype(np.dtype(export.dtype)), math.prod(spec.row_shape)
    plain = export.form.plain_list or bool(export.missing.any())  # pyarrow up to 21 has no null of a fixed size
    kind = pa.list_(element) if plain else pa.list_(element, width)
    schema, names = columns.schema.append(pa.field(name, kind)), list(export.frame.columns)
    # Features neither shrink nor repeat: trying would only take time.
    options = {"use_dictionary": names, "write_statistics": names, "compression": "NONE"}
    with atomic_write(path) as partial, pq.ParquetWriter(partial, schema, **options) as writer:
        start = 0
        for values in _grouped(export.selection, max(1, _GROUP_BYTES // spec.row_bytes)):
            missing = export.missing[start : start + len(values)]
            flat = pa.array(values[~missing].reshape(-1).astype(export.dtype, copy=False), element)
            lists = _lists(flat, width, missing) if plain else pa.FixedSizeListArray.from_arrays(flat, width)
            group = columns.slice(start, len(values)).append_column(schema.field(name), lists)
            writer.write_table(group, row_group_size=len(values))
            start += len(values)
    return (path,)


def _lists(flat: pa.Array, width: int, missing: Mask) -> pa.ListArray:
    """A list for each row, null where it is missing; `flat` holds the values of the others."""
    offsets = np.concatenate([[0], np.cumsum(np.where(missing, 0, width))])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32(), mask=np.append(missing, False)), flat)


def _grouped(selection: Rows, n_rows: int) -> Iterator[npt.NDArray[Any]]:
    """The features, `n_rows` or a little more at a time."""
    waiting: list[npt.NDArray[Any]] = []
    for _rows, values in selection.blocks():
        waiting.append(values)
        if sum(map(len, waiting)) >= n_rows:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def _to_npy(export: Export, path: Path) -> tuple[Path, ...]:
    about = _next_to(path, ".json")
    with atomic_write(about) as partial:
        text = json.dumps({"fer_stage": json.loads(export.about())}, indent=2) + "\n"
        partial.write_text(text, encoding="utf-8")
    written = _to_csv(path, export.frame)
    with atomic_write(path) as partial:
        write_npy(export.selection, partial, export.dtype)
    return path, written, about


def write_npy(selection: Rows, path: Path, dtype: str | None = None) -> None:
    """The features as one npy file, written front to back: a full disk is an error there and never a crash.

    Parameters
    ----------
    dtype : by default as stored
    """
    dtype = dtype or selection.store.array(selection.output).dtype
    with path.open("wb") as file:
        file.write(npy_header(selection, dtype))
        _write_features(selection, file, dtype)


def npy_header(selection: Rows, dtype: str) -> bytes:
    """The header of an npy file of the features."""
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": (len(selection), *selection.store.array(selection.output).row_shape),
    }
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def _to_safetensors(export: Export, path: Path) -> tuple[Path, ...]:
    written = _to_csv(path, export.frame)
    selection, n_values = export.selection, len(export.selection) * math.prod(export.stored.row_shape)
    tensor = {
        "dtype": _SAFETENSORS[export.dtype],
        "shape": [len(selection), *export.stored.row_shape],
        "data_offsets": [0, n_values * np.dtype(export.dtype).itemsize],
    }
    header = canonical_json({"__metadata__": {"fer_stage": export.about()}, selection.output: tensor}).encode()
    header += b" " * (-len(header) % 8)  # the format requires aligned data
    with atomic_write(path) as partial, partial.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        _write_features(selection, file, export.dtype)
    return path, written


def _write_features(selection: Rows, file: BinaryIO, dtype: str) -> None:
    """The bytes of the features in C order, little-endian."""
    for _rows, values in selection.blocks():
        file.write(np.ascontiguousarray(values, dtype).data)


def _to_csv(path: Path, frame: pd.DataFrame) -> Path:
    target = _next_to(path, ".csv")
    with atomic_write(target) as partial:
        write_csv(frame, partial)
    return target


def _next_to(path: Path, suffix: str) -> Path:
    """`faces.npy` -> `faces.npy.csv`: a name that differs from the user's own `faces.csv`."""
    return path.with_name(path.name + suffix)


EXPORT_FORMATS: dict[str, Callable[[Export, Path], tuple[Path, ...]]] = {
    "parquet": _to_parquet,
    "npy": _to_npy,
    "safetensors": _to_safetensors,
}
