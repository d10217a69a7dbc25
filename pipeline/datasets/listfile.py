"""Tables in text files as people really write them: comma, semicolon or tab, CRLF, odd spaces and case in headers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.datasets.files import Root
from pipeline.errors import DatasetError

__all__ = ["Line", "read_table"]


@dataclass(frozen=True)
class Line:
    """One row of a table, and where it stands."""

    fields: Mapping[str, str]
    where: str

    def __getitem__(self, column: str) -> str:
        return self.fields[column]

    def get(self, column: str) -> str:
        """The field, or an empty text where the table has no such column."""
        return self.fields.get(column, "")

    def whole(self, column: str) -> int:
        """The field as a whole number; `3.0` is one.

        Raises
        ------
        DatasetError
            If it is none.
        """
        try:
            number = float(self.fields[column])
        except ValueError:
            number = float("nan")
        if not number.is_integer():
            raise DatasetError(f"{self.where}: {column}: expected a whole number, found {self.fields[column]!r}")
        return int(number)


def read_table(root: Root, name: str, required: Sequence[str], optional: Sequence[str] = ()) -> list[Line]:
    """The rows of a text table, with the asked columns only; outer space is dropped, headers are in lower case.

    Raises
    ------
    DatasetError
        If a required column is missing, a row is shorter or longer than the header, or no row is there.
    """
    where = f"{root.path}: {name}"
    text = root.text(name)
    rows = csv.reader(io.StringIO(text), delimiter=_delimiter(text), skipinitialspace=True)
    try:
        header = [column.strip().casefold() for column in next(rows, [])]
        _check_header(header, required, where)
        wanted = [(i, column) for i, column in enumerate(header) if column in {*required, *optional}]
        table = [_line(row, len(header), wanted, f"{where}, line {rows.line_num}") for row in rows if any(row)]
    except csv.Error as error:
        raise DatasetError(f"{where}, line {rows.line_num}: not a table: {error}. Is a quote left open?") from error
    if not table:
        raise DatasetError(f"{where}: expected rows below the header, found none")
    return table


def _delimiter(text: str) -> str:
    return max(",;\t", key=text.partition("\n")[0].count)


def _check_header(header: list[str], required: Sequence[str], where: str) -> None:
    if missing := [column for column in required if column not in header]:
        raise DatasetError(
            f"{where}: expected columns {', '.join(required)}; missing {', '.join(missing)}, found {', '.join(header)}"
        )


def _line(row: list[str], width: int, wanted: list[tuple[int, str]], where: str) -> Line:
    if len(row) != width:
        raise DatasetError(f"{where}: expected {width} fields, found {len(row)} in {','.join(row)[:60]!r}")
    return Line({column: row[i].strip() for i, column in wanted}, where)
