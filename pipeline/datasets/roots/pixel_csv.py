"""A csv whose rows are pictures, as FER2013 is published: a column `pixels` with 48 x 48 grey values as text."""

from __future__ import annotations

import csv
import io
import os
from array import array
from collections.abc import Sequence
from typing import BinaryIO

from pipeline.datasets.roots.archives import MAX_MEMBERS, check_size
from pipeline.datasets.roots.containers import Container, row_number, row_text
from pipeline.datasets.roots.extents import Extent
from pipeline.datasets.roots.files import MAX_LINE, MISSING, UNREADABLE
from pipeline.datasets.roots.refusals import refused_by_system, whole_file_errors
from pipeline.errors import DatasetError, ImageError

__all__ = ["FIELDS", "NOT_NUMBERS", "PIXELS", "SIDE", "TOO_BRIGHT", "WRONG_SIZE", "PixelCsv"]

PIXELS = "pixels"  # the column
SIDE = 48  # pixels

# Reasons of a rejected row: stable words, counted in summaries.
FIELDS = "row has too few or too many fields"
WRONG_SIZE = f"row has not {SIDE} x {SIDE} pixels"
NOT_NUMBERS = "pixels are not whole numbers"
TOO_BRIGHT = "a pixel is above 255"

_HEADER = f"P5\n{SIDE} {SIDE}\n255\n".encode()
_BOM = b"\xef\xbb\xbf"
_BLANK = b' \t\r\n,;"'
_VALUES = {str(value): value for value in range(256)}


class PixelCsv(Container):
    """Every row is a member, `0000017` for the eighteenth below the header. Its bytes are a binary PGM of its pixels.

    The file is read once, line by line, for where its rows begin; a row is then one read. No encoder takes part in the
    bytes of a picture, so their digest is the same with every version of every library. Lines without a field are no
    rows.

    Parameters
    ----------
    extent : the file

    Raises
    ------
    DatasetError
        If it has no header with one column `pixels`, or a line of more than `MAX_LINE` bytes.
    """

    def __init__(self, extent: Extent) -> None:
        self._extent = extent
        self._starts, self._sizes = array("q"), array("q")
        with whole_file_errors(extent.path), extent.open() as raw, io.BufferedReader(raw) as file:
            self._delimiter, self._column, self._width = self._read_header(file)
            self._find_rows(file)

    def members(self) -> Sequence[str]:
        return [row_text(row) for row in range(len(self._starts))]

    def read(self, member: str, limit: int) -> bytes:
        row = row_number(member)
        if row is None or row >= len(self._starts):
            raise ImageError(MISSING)
        check_size(len(_HEADER) + SIDE * SIDE, limit)
        fields = next(csv.reader([self._line(row)], delimiter=self._delimiter, skipinitialspace=True), [])
        if len(fields) != self._width:
            raise ImageError(FIELDS)
        return _HEADER + _grey_values(fields[self._column])

    def _line(self, row: int) -> str:
        start, size = self._extent.offset + self._starts[row], self._sizes[row]
        try:
            with self._extent.open() as file:
                data = os.pread(file.fileno(), size, start)
        except OSError as error:
            raise refused_by_system(error, self._extent.path) or ImageError(UNREADABLE) from error
        return data.decode("utf-8", "replace")

    def _read_header(self, file: BinaryIO) -> tuple[str, int, int]:
        """Delimiter, position of the pixels, number of columns."""
        text = self._next_line(file).removeprefix(_BOM).decode("utf-8", "replace")
        delimiter = max(",;\t", key=text.count)
        header = [name.strip().casefold() for name in next(csv.reader([text], delimiter=delimiter), [])]
        if header.count(PIXELS) != 1:
            raise DatasetError(
                f"{self._extent.where}: expected a header with one column {PIXELS!r}, found {text.strip()[:80]!r}. "
                "Give the csv as it was published"
            )
        return delimiter, header.index(PIXELS), len(header)

    def _find_rows(self, file: BinaryIO) -> None:
        start = file.tell()
        while line := self._next_line(file):
            if line.strip(_BLANK):
                self._starts.append(start)
                self._sizes.append(len(line))
            start += len(line)
        if len(self._starts) > MAX_MEMBERS:
            raise DatasetError(
                f"{self._extent.where}: expected at most {MAX_MEMBERS:,} rows, found {len(self._starts):,}. "
                "Divide the dataset"
            )

    def _next_line(self, file: BinaryIO) -> bytes:
        line = file.readline(MAX_LINE + 1)
        if len(line) > MAX_LINE:
            raise DatasetError(
                f"{self._extent.where}: expected lines of at most {MAX_LINE:,} bytes, found a longer one after "
                f"{len(self._starts):,} rows. Is it a csv with one picture in each line?"
            )
        return line


def _grey_values(text: str) -> bytes:
    """The bytes of `SIDE` * `SIDE` numbers with spaces between them."""
    fields = text.split()
    if len(fields) != SIDE * SIDE:
        raise ImageError(WRONG_SIZE)
    try:
        return bytes(map(_VALUES.__getitem__, fields))
    except KeyError:
        return bytes(map(_grey_value, fields))


def _grey_value(field: str) -> int:
    if not (field.isascii() and field.isdigit()):
        raise ImageError(NOT_NUMBERS)
    digits = field.lstrip("0") or "0"  # some programs pad them
    if digits not in _VALUES:
        raise ImageError(TOO_BRIGHT)
    return _VALUES[digits]
