"""Tables in text files as they occur in practice: comma, semicolon or tab, CRLF, odd spaces and case in headers."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from types import MappingProxyType
from typing import Any

from pipeline.datasets.roots.files import Root
from pipeline.errors import DatasetError

__all__ = ["Line", "Table", "lookalike", "plain_header", "read_table"]

MAX_ROWS = 5_000_000

_SHOWN = 24
_REPEATED = 1000
_LARGEST = 2**53  # a float holds every whole number up to it
_SEPARATORS = re.compile(r"[\s_.\-]+")
_WORD = re.compile(r"[A-Z]?[a-z]+\d*|[A-Z]+\d*(?![a-z])|\d+")
# Words of a header -> what the column may hold.
_LOOKALIKES = {
    word: meaning
    for meaning, words in {
        "split": "split usage subset partition set",
        "subject": "subject person user participant actor speaker identity patient",
        "clip": "clip video sequence session group",
        "fold": "fold",
        "box": (
            "box bbox rect rectangle left top right bottom x y w h x0 y0 x1 y1 x2 y2 xmin ymin xmax ymax width height"
        ),
    }.items()
    for word in words.split()
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table.

    Parameters
    ----------
    fields : column -> text
    file : for messages
    number : of its line in the file; 0 if that is not known
    """

    fields: Mapping[str, str]
    file: str
    number: int = 0

    @property
    def where(self) -> str:
        """File and line, for messages."""
        return f"{self.file}, line {self.number}" if self.number else self.file

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
        if not number.is_integer() or abs(number) > _LARGEST:
            raise DatasetError(
                f"{self.where}: {column}: expected a whole number, found {self.fields[column]!r}. "
                "Number them, or rename the column if it holds something else"
            )
        return int(number)


@dataclass(frozen=True)
class Table:
    """The rows of a text table.

    Parameters
    ----------
    lines : rows, with the requested columns only
    columns : requested column -> its header as the file has it, for those that the file has
    unread : headers of all other columns, except those that the reader leaves out on purpose
    """

    lines: Sequence[Line]
    columns: Mapping[str, str]
    unread: tuple[str, ...]

    @property
    def lookalikes(self) -> tuple[str, ...]:
        """The unread columns that look like something the program could use: a split, a subject, a box."""
        return tuple(header for header in self.unread if lookalike(header))


def read_table(
    root: Root,
    name: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    aliases: Mapping[str, str] = MappingProxyType({}),
    ignored: Sequence[str] = (),
) -> Table:
    """A text table: outer space is dropped, text is composed (NFC); in headers case, space, `_`, `.`, `-` are ignored.

    Parameters
    ----------
    required, optional : columns to read
    aliases : other header -> the column that it means
    ignored : columns that the format is known to have and that are not read on purpose

    Raises
    ------
    DatasetError
        If a required column is missing, two columns mean the same, a row is shorter or longer than the header, or
        there is no row, or more than `MAX_ROWS`.
    """
    where = f"{root.path}: {name}"
    lines = root.lines(name)
    first = list(islice(lines, 1))
    rows = csv.reader(chain(first, lines), delimiter=_delimiter("".join(first)), skipinitialspace=True)
    try:
        header = [column.strip() for column in next(rows, [])]
        positions = _columns(header, {plain_header(c): c for c in (*required, *optional)}, aliases, where)
        _check_header(header, positions, required, where)
        table = list(_lines(_numbered(rows, where), len(header), positions, where))
    except csv.Error as error:
        raise DatasetError(f"{where}, line {rows.line_num}: not a table: {error}. Is a quote left open?") from error
    if not table:
        raise DatasetError(f"{where}: expected rows below the header, found none")
    known = {plain_header(column) for column in ignored}
    read = set(positions.values())
    unread = [c for i, c in enumerate(header) if i not in read and c and plain_header(c) not in known]
    return Table(table, {column: header[i] for column, i in positions.items()}, tuple(unread))


def plain_header(header: str) -> str:
    """A header without case, spaces and separators: `Subject_ID`, `subject id` and `subject.id` are one column."""
    return _SEPARATORS.sub("", header.casefold())


def lookalike(header: str) -> str:
    """What a column of this name may hold (split, subject, clip, fold, box); empty if none of these."""
    words = [word.casefold() for word in _WORD.findall(header)]
    return next((_LOOKALIKES[word] for word in words if word in _LOOKALIKES), "")


def _numbered(rows: Any, where: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold anything, with the numbers of their lines."""
    n_rows = 0
    for row in rows:
        if any(row):
            n_rows += 1
            if n_rows > MAX_ROWS:
                raise DatasetError(f"{where}: expected at most {MAX_ROWS:,} rows, found more. Divide the dataset")
            yield rows.line_num, row


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _columns(
    header: Sequence[str], requested: Mapping[str, str], aliases: Mapping[str, str], where: str
) -> dict[str, int]:
    """Requested column -> its position."""
    names = {**{plain_header(alias): column for alias, column in aliases.items()}, **requested}
    positions: dict[str, int] = {}
    for i, title in enumerate(header):
        column = names.get(plain_header(title))
        if column is None:
            continue
        if column in positions:
            raise DatasetError(
                f"{where}: expected one column for {column!r}, found two: {header[positions[column]]!r} and {title!r}. "
                "Remove one of them, or give it a name of its own"
            )
        positions[column] = i
    return positions


def _check_header(header: Sequence[str], positions: Mapping[str, int], required: Sequence[str], where: str) -> None:
    if missing := [column for column in required if column not in positions]:
        raise DatasetError(
            f"{where}: expected columns {', '.join(required)}; missing {', '.join(missing)}, "
            f"found {', '.join(title[:40] for title in header[:_SHOWN])}{', ...' if len(header) > _SHOWN else ''}. "
            "Rename the columns that hold them"
        )


def _lines(rows: Iterable[tuple[int, list[str]]], width: int, columns: Mapping[str, int], where: str) -> Iterator[Line]:
    repeated: dict[str, str] = {}  # one text for all rows that have it: labels and splits
    for number, row in rows:
        if len(row) != width:
            raise DatasetError(
                f"{where}, line {number}: expected {width} fields, found {len(row)} in {','.join(row)[:60]!r}"
            )
        fields = {column: row[i].strip() for column, i in columns.items()}
        for column, text in fields.items():
            if text in repeated or len(repeated) < _REPEATED:
                fields[column] = repeated.setdefault(text, text)
        yield Line(fields, where, number)
