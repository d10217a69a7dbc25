"""Rows of a store for other programs: Parquet, npy with a CSV, safetensors with a CSV. Written shard by shard.

out.parquet       the columns, and the feature as a fixed-size list (a row of several axes is flattened)
out.npy           the features; out.npy.csv the columns; out.npy.json what they are
out.safetensors   the features as one tensor; out.safetensors.csv the columns
Each says whose features they are: the store's key, encoder, output, shape and provenance, as JSON under `fer_stage`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cache.backends import BACKENDS
from cache.beside import written_beside
from cache.errors import QueryError
from cache.keys import canonical_json
from cache.places import place

if TYPE_CHECKING:
    from cache.selection import Selection

__all__ = ["EXPORTS", "export_rows", "write_npy"]

Added = Mapping[str, npt.NDArray[Any]]

_GROUP_BYTES = 8 * 2**20  # of features in one row group of a Parquet file
_SAFETENSORS = {"float16": "F16", "float32": "F32", "uint8": "U8"}


def export_rows(
    selection: Selection, path: str | Path, format: str | None = None, added: Added | None = None
) -> tuple[Path, ...]:
    """Write the chosen columns and features of a selection; what an earlier export left there is replaced.

    Parameters
    ----------
    selection : its columns, its output and its view
    path : where to; the ending names the format: `.parquet`, `.npy` or `.safetensors`
    format : `parquet`, `npy` or `safetensors`, if the ending does not say
    added : columns beside the store's own, one value per row of the selection, such as a score

    Returns
    -------
    tuple of Path
        The files that were written, that of the features first.

    Raises
    ------
    QueryError
        If the format is none of these, or the path lies inside a store or on no disk of this machine.
    StorageError
        If the disk refuses; no file is left half written.
    """
    target = _target(path)
    name = format or target.suffix.removeprefix(".")
    if name not in EXPORTS:
        raise QueryError(
            f"export to {path}: expected a name that ends with .{', .'.join(EXPORTS)}, found {name or 'no ending'!r}. "
            "To change a store's backend run: fer-stage store convert"
        )
    return EXPORTS[name](selection, target, _columns(selection).assign(**(added or {})))


def _columns(selection: Selection) -> pd.DataFrame:
    """The chosen columns; the id is always among them, since a feature without it is nobody's."""
    names = selection.columns if "id" in selection.columns else ("id", *selection.columns)
    return replace(selection, columns=names).frame


def _target(path: str | Path) -> Path:
    target = place(path)
    if not isinstance(target, Path):
        raise QueryError(f"export to {path}: expected a file of this machine. Export to one, then copy it there")
    endings = {backend.suffix for backend in BACKENDS.values()}
    if inside := [parent for parent in target.absolute().parents if parent.suffix in endings]:
        raise QueryError(f"export to {path}: {inside[0]} is a store; write beside it, not into it")
    if target.is_dir():
        raise QueryError(f"export to {path}: a folder stands there. Choose another name")
    return target


def _about(selection: Selection) -> str:
    """What the exported numbers are, as JSON."""
    store, spec = selection.store, selection.store.array(selection.output)
    return canonical_json(
        {
            "export": 1,
            "key": store.key,
            "dataset": store.dataset,
            "output": selection.output,
            "view": selection.view,
            "row_shape": list(spec.row_shape),
            "dtype": spec.dtype,
            "rows": len(selection),
            "encoder": dict(store.encoder),
            "provenance": dict(store.manifest.provenance),
        }
    )


def _to_parquet(selection: Selection, path: Path, frame: pd.DataFrame) -> tuple[Path, ...]:
    columns = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(
        {"fer_stage": _about(selection)}
    )
    spec, name = selection.store.array(selection.output), selection.output
    width = math.prod(spec.row_shape)
    element = pa.from_numpy_dtype(np.dtype(spec.dtype))
    schema = columns.schema.append(pa.field(name, pa.list_(element, width)))
    # Features neither shrink nor repeat: trying would only take time.
    options = {"use_dictionary": list(frame.columns), "write_statistics": list(frame.columns), "compression": "NONE"}
    with written_beside(path) as partial, pq.ParquetWriter(partial, schema, **options) as writer:
        start = 0
        for values in _grouped(selection, max(1, _GROUP_BYTES // spec.row_bytes)):
            lists = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1), element), width)
            group = columns.slice(start, len(values)).append_column(schema.field(name), lists)
            writer.write_table(group, row_group_size=len(values))
            start += len(values)
    return (path,)


def _grouped(selection: Selection, n_rows: int) -> Iterator[npt.NDArray[Any]]:
    """The features, `n_rows` or a little more at a time."""
    waiting: list[npt.NDArray[Any]] = []
    for _rows, values in selection.blocks():
        waiting.append(values)
        if sum(map(len, waiting)) >= n_rows:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def _to_npy(selection: Selection, path: Path, frame: pd.DataFrame) -> tuple[Path, ...]:
    about = _beside(path, ".json")
    with written_beside(about) as partial:
        partial.write_text(json.dumps({"fer_stage": json.loads(_about(selection))}, indent=2) + "\n", encoding="utf-8")
    written = _to_csv(path, frame)
    with written_beside(path) as partial:
        write_npy(selection, partial)
    return path, written, about


def write_npy(selection: Selection, path: Path) -> None:
    """The features as one npy file, written front to back: a full disk is an error there and never a crash."""
    spec = selection.store.array(selection.output)
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(spec.dtype)),
        "fortran_order": False,
        "shape": (len(selection), *spec.row_shape),
    }
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        _write_features(selection, file)


def _to_safetensors(selection: Selection, path: Path, frame: pd.DataFrame) -> tuple[Path, ...]:
    written = _to_csv(path, frame)
    spec = selection.store.array(selection.output)
    tensor = {
        "dtype": _SAFETENSORS[spec.dtype],
        "shape": [len(selection), *spec.row_shape],
        "data_offsets": [0, len(selection) * spec.row_bytes],
    }
    header = canonical_json({"__metadata__": {"fer_stage": _about(selection)}, selection.output: tensor}).encode()
    header += b" " * (-len(header) % 8)  # the format wants the data aligned
    with written_beside(path) as partial, partial.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        _write_features(selection, file)
    return path, written


def _write_features(selection: Selection, file: BinaryIO) -> None:
    """The bytes of the features in C order, little-endian as stored."""
    for _rows, values in selection.blocks():
        file.write(np.ascontiguousarray(values).data)


def _to_csv(path: Path, frame: pd.DataFrame) -> Path:
    target = _beside(path, ".csv")
    with written_beside(target) as partial:
        frame.to_csv(partial, index=False, lineterminator="\n")
    return target


def _beside(path: Path, ending: str) -> Path:
    """`faces.npy` -> `faces.npy.csv`: a name that nobody else's `faces.csv` has."""
    return path.with_name(path.name + ending)


EXPORTS: dict[str, Callable[[Selection, Path, pd.DataFrame], tuple[Path, ...]]] = {
    "parquet": _to_parquet,
    "npy": _to_npy,
    "safetensors": _to_safetensors,
}
