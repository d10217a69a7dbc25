"""How a store's arrays must be laid out by its manifest, whatever its files say.

A file format describes its arrays itself. One altered number there would have a reader allocate or list for ever, so it
is compared with the schema before anything is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cache.schema import MISSING_INTEGERS, TEXT_COLUMNS, Schema

__all__ = ["TEXT", "Layout", "column_problem", "output_problem", "require", "text_limit"]

TEXT = "string"
_NUMBERS = {np.dtype(kind).name for kind in "?bhilBHILefd"}
_TEXT_FLOOR, _TEXT_ROW = 64 * 2**20, 1024
_SMALLEST_CHUNK = 1024  # rows of a column: Zarr takes many more, and each chunk is a file


@dataclass(frozen=True)
class Layout:
    """How one array is laid out on disk.

    Parameters
    ----------
    shape : of the whole array
    dtype : numpy's name, or `string`
    chunks : shape of a chunk; None if the array is stored in one piece
    """

    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...] | None


def output_problem(layout: Layout, schema: Schema, name: str) -> str:
    """What is wrong with the layout of an output; empty if nothing is."""
    array = schema.array(name)
    shape = (schema.n_views, schema.n_rows, *array.row_shape)
    if (layout.shape, layout.dtype) != (shape, array.dtype):
        return f"expected {array.dtype}{shape}, found {layout.dtype}{layout.shape}"
    if layout.chunks is None:
        return ""
    rows = layout.chunks[1] if len(layout.chunks) == len(shape) else 0
    if rows < 1 or schema.shard_rows % rows or layout.chunks != (1, rows, *array.row_shape):
        whole = (1, schema.shard_rows, *array.row_shape)
        return f"expected chunks of {whole} or of a part of these rows, found {layout.chunks}"
    return ""


def column_problem(layout: Layout, schema: Schema, name: str) -> str:
    """The same for a column. Columns that readers use by name have a type; others are text or numbers."""
    if layout.shape != (schema.n_rows,):
        return f"expected one value for each of {schema.n_rows} rows, found the shape {layout.shape}"
    if name in TEXT_COLUMNS and layout.dtype != TEXT:
        return f"expected text, found {layout.dtype[:60]!a}"
    if name in MISSING_INTEGERS and layout.dtype != "int64":
        return f"expected int64, found {layout.dtype[:60]!a}"
    if layout.dtype != TEXT and layout.dtype not in _NUMBERS:
        return f"expected text or numbers, found {layout.dtype[:60]!a}"
    least = min(_SMALLEST_CHUNK, schema.n_rows)
    if layout.chunks is not None and not (len(layout.chunks) == 1 and least <= layout.chunks[0] <= schema.n_rows):
        return f"expected chunks of {least} to {schema.n_rows} rows, found {layout.chunks}"
    return ""


def require(problem: str) -> None:
    """ValueError if there is a problem: for code where errors of libraries become a StoreDamagedError."""
    if problem:
        raise ValueError(problem)


def text_limit(n_rows: int) -> int:
    """Bytes that the texts of one column may have together: 1 kB a row, and 64 MB however few rows there are."""
    return _TEXT_FLOOR + _TEXT_ROW * n_rows
