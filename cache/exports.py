"""Rows of a store for other programs, in one of the formats of `cache.export_formats`.

A row without a feature (its image was rejected, or it has no such view) is null in Parquet: programs rank NaN before or
after all numbers, each as it likes. An array has no null: there it is NaN (0 in pixels), and row i is still row i of
the CSV. Dropped, it is in neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cache.backends import BACKENDS
from cache.errors import QueryError
from cache.export_formats import AS_STORED, EXPORT_FORMATS, Export, ExportForm
from cache.places import as_path
from cache.rows import Rows
from cache.schema import MISSING_INTEGERS

__all__ = ["export_rows", "without_placeholders"]

_STORE_SUFFIXES = {backend.suffix for backend in BACKENDS.values()}


def export_rows(
    selection: Rows,
    path: str | Path,
    format: str | None = None,
    added: Mapping[str, npt.NDArray[Any]] | None = None,
    form: ExportForm = AS_STORED,
) -> tuple[Path, ...]:
    """Write the chosen columns and features of a selection; files of an earlier export are replaced.

    Parameters
    ----------
    selection : its columns, its output and its view
    path : of the file; the suffix names the format: `.parquet`, `.npy` or `.safetensors`
    format : `parquet`, `npy` or `safetensors`, if the suffix does not say
    added : columns besides the store's own, arrays of numpy or pandas with a value per row of the selection
    form : how rows without a feature are written, the dtype, the kind of list

    Returns
    -------
    tuple of Path
        The files that were written, that of the features first.

    Raises
    ------
    QueryError
        If the format is none of these, the form does not suit it or the output, or the path is inside a store or on
        no disk of this machine.
    StorageError
        If the disk refuses; no file is left half written.
    """
    target = _target(path)
    name = format or target.suffix.removeprefix(".")
    if name not in EXPORT_FORMATS:
        raise _unknown_format(name, target, selection)
    _check_form(form, selection, name)
    missing, frame = selection.without_feature, _columns(selection).assign(**(added or {}))
    if form.rejected == "drop" and missing.any():
        selection, frame = replace(selection, rows=selection.rows[~missing]), frame[~missing]
        missing = missing[~missing]
    return EXPORT_FORMATS[name](Export(selection, frame, missing, form), target)


def _unknown_format(name: str, target: Path, selection: Rows) -> QueryError:
    suffixes, to_store = ", .".join(EXPORT_FORMATS), target.suffix in _STORE_SUFFIXES
    return QueryError(
        f"export to {target}: expected a name that ends with .{suffixes}, found {name or 'no suffix'!r}",
        remedy=[("store convert", {"store": str(selection.store.path), "target": str(target)})] if to_store else (),
        purpose="to make a store in that format" if to_store else "",
    )


def _check_form(form: ExportForm, selection: Rows, format: str) -> None:
    stored = selection.store.array(selection.output).dtype
    if form.dtype and np.dtype(stored).kind != "f":
        raise QueryError(f"dtype {form.dtype}: {selection.output} is {stored}, not of floats. Leave dtype out")
    if form.plain_list and format != "parquet":
        raise QueryError(f"a plain list is of Parquet: {format} has arrays only. Leave it out, or export to a .parquet")


def _columns(selection: Rows) -> pd.DataFrame:
    """The chosen columns; the id is always among them, since a feature without it belongs to no sample."""
    names = selection.columns if "id" in selection.columns else ("id", *selection.columns)
    return without_placeholders(replace(selection, columns=names).frame)


def without_placeholders(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns with NA where a row has no frame or no fold: the -1 that is stored there is a number to others."""
    columns = {
        name: frame[name].astype("Int64").mask(frame[name] == missing)
        for name, missing in MISSING_INTEGERS.items()
        if name in frame and pd.api.types.is_integer_dtype(frame[name])
    }
    return frame.assign(**columns)


def _target(path: str | Path) -> Path:
    target = as_path(path)
    if not isinstance(target, Path):
        raise QueryError(f"export to {path}: expected a file of this machine. Export to one, then copy it there")
    if inside := [parent for parent in target.absolute().parents if parent.suffix in _STORE_SUFFIXES]:
        raise QueryError(f"export to {path}: {inside[0]} is a store; write next to it, not into it")
    if target.is_dir():
        raise QueryError(f"export to {path}: it is a folder. Choose another name")
    return target
