"""The columns of a store: what one may hold, and the digest by which it is recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.keys import sha256_of

__all__ = ["Columns", "check_columns", "column_digests"]

Columns = Mapping[str, npt.NDArray[Any]]
"""Name -> one value per row: strings (object dtype) or numbers."""


def column_digests(columns: Columns) -> dict[str, str]:
    """Column name -> digest of its values: of the strings, or of the numbers' dtype and bytes."""
    return {name: _column_digest(values) for name, values in columns.items()}


def _column_digest(values: npt.NDArray[Any]) -> str:
    if values.dtype == object:
        return sha256_of(values.tolist())
    return hashlib.sha256(values.dtype.str.encode() + np.ascontiguousarray(values).tobytes()).hexdigest()


def check_columns(columns: Columns, n_rows: int) -> None:
    """ValueError if a column would not be read back as it is: one number or text for each of `n_rows` rows."""
    for name, values in columns.items():
        if values.shape != (n_rows,):
            raise ValueError(f"column {name}: expected one value for each of {n_rows} rows, got {values.shape}")
        is_text = values.dtype == object and all(isinstance(value, str) for value in values)
        if not is_text and values.dtype.kind not in "biuf":
            raise ValueError(f"column {name}: expected numbers, or strings only in an object array")
        unwritable = [row for row, value in enumerate(values) if not _can_be_written(value)] if is_text else []
        if unwritable:
            where = f"row {unwritable[0]}: {values[unwritable[0]]!r}"
            raise ValueError(f"column {name}: expected text that UTF-8 can write, without NUL, got {where}")


def _can_be_written(text: str) -> bool:
    """A file name that is no UTF-8 becomes a text that is none either; HDF5 stores no NUL."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
