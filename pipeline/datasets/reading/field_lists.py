"""Lists without a header, one image or face a line, whose fields are known by their position."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.datasets.reading.listfile import MAX_ROWS, Line
from pipeline.datasets.roots.files import Root, some
from pipeline.errors import DatasetError
from pipeline.images.formats import is_image

__all__ = ["number", "read_fields"]


def read_fields(
    root: Root, name: str, columns: Sequence[str], example: str, separator: str | None = None
) -> list[Line]:
    """The lines of a list, their fields by name. A header that has just these names is left out.

    Parameters
    ----------
    columns : names of the fields in their order; the first is the path of an image, which may hold spaces
    example : a line as it should be, for the message
    separator : None for spaces and tabs

    Raises
    ------
    DatasetError
        If a line has another number of fields or does not begin with the name of an image, or there is none, or more
        than `MAX_ROWS`.
    """
    where = f"{root.path}: {name}"
    lines: list[Line] = []
    bad: list[str] = []
    for position, text in enumerate(root.lines(name), start=1):
        if not text.strip():
            continue
        fields = [field.strip().strip("\"'") for field in text.strip().rsplit(separator, len(columns) - 1)]
        if not lines and [field.casefold() for field in fields] == list(columns):
            continue
        # The path takes what is left of a line with more fields, and no longer ends like the name of an image then.
        if len(fields) != len(columns) or not is_image(fields[0]):
            bad.append(f"line {position}: {text.strip()[:60]}")
        else:
            lines.append(Line(dict(zip(columns, fields, strict=True)), f"{where}, line {position}"))
        if len(lines) > MAX_ROWS:
            raise DatasetError(f"{where}: expected at most {MAX_ROWS:,} lines, found more. Divide the dataset")
    if bad:
        raise DatasetError(
            f"{where}: expected lines of {len(columns)} fields such as {example!r}, found {len(bad)} others: "
            f"{some(bad)}. Correct or remove them"
        )
    if not lines:
        raise DatasetError(f"{where}: expected lines such as {example!r}, found none. Copy it again")
    return lines


def number(line: Line, column: str) -> float:
    """A field as a finite number.

    Raises
    ------
    DatasetError
        If it is none.
    """
    try:
        value = float(line[column])
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise DatasetError(f"{line.where}: expected a number as {column}, found {line[column]!r}. Correct the list")
    return value
