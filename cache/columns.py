"""The columns of a store: what one may hold, and the digest by which it is recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from cache.keys import sha256_of_items

__all__ = ["Column", "Columns", "TextColumn", "check_columns", "column_digests", "is_text", "row_blocks"]

_BLOCK_ROWS = 2**14


@dataclass(frozen=True, eq=False)
class TextColumn:
    """Texts that are created when they are read: as Python objects a million of them take 0.1 GB.

    Parameters
    ----------
    n_rows : number of texts
    read : start, stop -> the texts of these rows
    """

    dtype: ClassVar[np.dtype[Any]] = np.dtype(object)

    n_rows: int
    read: Callable[[int, int], Sequence[str]]

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.n_rows,)

    def __len__(self) -> int:
        return self.n_rows

    def __getitem__(self, rows: slice) -> npt.NDArray[np.object_]:
        start, stop, _ = rows.indices(self.n_rows)
        return np.array(self.read(start, stop), dtype=object)


Column: TypeAlias = npt.NDArray[Any] | TextColumn
"""One value per row: strings (object dtype) or numbers."""
Columns: TypeAlias = Mapping[str, Column]
"""Name -> column."""


def is_text(column: Column) -> bool:
    """Whether a column holds strings, not numbers."""
    return column.dtype == object


def row_blocks(column: Column, n_rows: int = _BLOCK_ROWS) -> Iterator[npt.NDArray[Any]]:
    """The values of a column in order, in arrays of at most `n_rows`."""
    for start in range(0, len(column), n_rows):
        yield column[start : start + n_rows]


def column_digests(columns: Columns) -> dict[str, str]:
    """Column name -> digest of its values: of the strings, or of the numbers' dtype and bytes."""
    return {name: _column_digest(values) for name, values in columns.items()}


def _column_digest(column: Column) -> str:
    if is_text(column):
        return sha256_of_items(block.tolist() for block in row_blocks(column))
    digest = hashlib.sha256(column.dtype.str.encode())
    for block in row_blocks(column):
        digest.update(np.ascontiguousarray(block).tobytes())
    return digest.hexdigest()


def check_columns(columns: Columns, n_rows: int) -> None:
    """ValueError if a column would not be read back as it is: one number or text for each of `n_rows` rows."""
    for name, column in columns.items():
        if column.shape != (n_rows,):
            raise ValueError(f"column {name}: expected one value for each of {n_rows} rows, got {column.shape}")
        if is_text(column):
            _check_texts(name, column)
        elif column.dtype.kind not in "biuf":
            raise _no_column(name)


def _check_texts(name: str, column: Column) -> None:
    values = (value for block in row_blocks(column) for value in block.tolist())
    for row, value in enumerate(values):
        if not isinstance(value, str):
            raise _no_column(name)
        if not _can_be_written(value):
            raise ValueError(
                f"column {name}: expected text that UTF-8 can write, without NUL, got row {row}: {value!r}"
            )


def _no_column(name: str) -> ValueError:
    return ValueError(f"column {name}: expected numbers, or strings only in an object array")


def _can_be_written(text: str) -> bool:
    """A file name that is no UTF-8 becomes a text that is none either; HDF5 stores no NUL."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
