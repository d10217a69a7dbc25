"""CSV whose texts are texts in every program that opens it.

A spreadsheet takes a text that begins with `=`, `+`, `-` or `@` for a formula, whoever wrote it: the name of a file is
enough. Such a text is written with an apostrophe before it, the sign of spreadsheets for "this is text". Numbers are
no text and stay as they are. JSON and Parquet hold every text exactly.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, TextIO, TypeVar

import pandas as pd

__all__ = ["inert", "row_writer", "write_csv"]

# Spaces, quotes and control characters before the sign are dropped by one program or another; the full-width signs are
# read as the others where Chinese, Japanese or Korean is written. Apostrophes: so that what had one stays apart.
_FORMULA = re.compile(r"'*[\t\r\n]|[\s'\"\x00-\x1f]*[=+\-@\uff1d\uff0b\uff0d\uff20]")

Value = TypeVar("Value")


def inert(value: Value) -> Value | str:
    """A text that begins like a formula with an apostrophe before it; all else as it is."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def row_writer(file: TextIO) -> Callable[[Iterable[Any]], None]:
    """What writes a row of cells to `file`: texts inert, lines ended by `\\n`."""
    usual = csv.writer(file, lineterminator="\n")
    quoting = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)

    def write(cells: Iterable[Any]) -> None:
        row = [inert(cell) for cell in cells]
        # Before Python 3.13 a carriage return is not quoted, and a reader would begin a row there.
        has_return = any(isinstance(cell, str) and "\r" in cell for cell in row)
        (quoting if has_return else usual).writerow(row)

    return write


def write_csv(frame: pd.DataFrame, file: Path | TextIO) -> None:
    """Write a table as CSV, without its index: the texts of its columns and of its header are inert."""
    inert_texts = frame.rename(columns=inert)
    for name in inert_texts:
        if not pd.api.types.is_numeric_dtype(inert_texts[name]):
            inert_texts[name] = inert_texts[name].map(inert, na_action="ignore")
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if _has_return(inert_texts) else csv.QUOTE_MINIMAL
    inert_texts.to_csv(file, index=False, lineterminator="\n", quoting=quoting)


def _has_return(frame: pd.DataFrame) -> bool:
    """Whether a text holds a carriage return, which is not quoted by itself: see `row_writer`."""
    texts = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    return any(bool(frame[name].astype(str).str.contains("\r", regex=False).any()) for name in texts)
