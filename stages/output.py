"""Data on stdout as a table, JSON or CSV; messages on stderr.

Tables and messages go through `printable`: names, reasons and notes may come from elsewhere, and a terminal would
execute the control characters in them. JSON escapes these; CSV has them unchanged, except on a terminal.
"""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:  # another `pipeline` may be in the way: `stages.shadows` reports that, after this import
    from pipeline.progress import Progress

__all__ = ["FORMATS", "echo_record", "echo_rows", "echo_text", "printable", "printable_lines", "say", "say_notes"]

FORMATS = ("table", "json", "csv")
Record = Mapping[str, Any]

_RICH_ROWS = 500  # rich measures every cell three times: a second for some thousand rows
_ROWS_AT_ONCE = 64  # to JSON: one by one takes twice as long

# Categories of characters that a terminal executes or hides: controls, formats (direction marks, invisible characters),
# lone surrogates, separators of lines and paragraphs.
_CONTROL_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # parts of words in Persian and Indic scripts, and of emoji


def printable(text: str) -> str:
    """A text on one line, with escapes for characters that control a terminal or hide text.

    ESC becomes `\\x1b`, a line break `\\n`, a right-to-left override `\\u202e`.
    """
    if text.isprintable():
        return text
    return "".join(char if _is_harmless(char) else _escape(char) for char in text)


def printable_lines(message: str) -> str:
    """The same for several lines, indented from the second on: a line break in a name does not begin a new message."""
    first, *others = map(printable, message.split("\n"))
    return "\n".join([first, *(line if not line or line.startswith("  ") else f"  {line}" for line in others)])


def _is_harmless(char: str) -> bool:
    return unicodedata.category(char) not in _CONTROL_CATEGORIES or char in _JOINERS


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def echo_text(text: str) -> None:
    """Lines of plain text on stdout, such as a file that would be written."""
    click.echo("\n".join(map(printable, text.split("\n"))))


def say(message: str) -> None:
    """Print a message on stderr, above the progress bar if there is one."""
    sys.stderr.write(f"{printable_lines(message)}\n")


def say_notes(progress: Progress) -> None:
    """A listener for calls without a progress bar: prints notes from before the start, such as a large download."""
    if progress.note and not progress.done:
        say(f"note: {progress.note}")


def echo_record(record: Record, output_format: str) -> None:
    """One result: JSON object, CSV with one row, or name and value in two columns."""
    if output_format == "json":
        click.echo(json.dumps(_plain(record), indent=2))
    elif output_format == "csv":
        _echo_csv([record], None, sys.stdout)
    else:
        _print(None, [[printable(name), _cell(value)] for name, value in record.items()])


def echo_rows(
    rows: Iterable[Record], output_format: str, columns: Sequence[str] | None = None, file: TextIO | None = None
) -> None:
    """Many results: JSON list, CSV, or a table.

    Parameters
    ----------
    rows : JSON and CSV are written as they come: an iterator needs no memory for all of them
    columns : of CSV and tables; by default those of the first row
    file : instead of stdout, for JSON and CSV
    """
    if output_format == "json":
        _echo_json(rows, file or sys.stdout)
    elif output_format == "csv":
        _echo_csv(rows, columns, file or sys.stdout)
    else:
        rows = list(rows)
        names = list(columns or (rows[0] if rows else ()))
        _print([printable(name) for name in names], [[_cell(row[name]) for name in names] for row in rows])


def _echo_json(rows: Iterable[Record], file: TextIO) -> None:
    start = "["
    waiting: list[Record] = []

    def write() -> None:
        nonlocal start
        if waiting:
            file.write(start + json.dumps(_plain(waiting), indent=2)[1:-2])
            start = ","
            waiting.clear()

    try:
        for row in rows:
            waiting.append(row)
            if len(waiting) == _ROWS_AT_ONCE:
                write()
    finally:  # also where making the rows was interrupted, or failed: those before are whole
        write()
        file.write("[]\n" if start == "[" else "\n]\n")


def _echo_csv(rows: Iterable[Record], columns: Sequence[str] | None, file: TextIO) -> None:
    from cache.csv_cells import row_writer

    write, on_screen = row_writer(file), file.isatty()

    def line(values: Iterable[Any]) -> list[Any]:
        cells = [json.dumps(value) if isinstance(value, dict | list) else value for value in values]
        return [printable(cell) if on_screen and isinstance(cell, str) else cell for cell in cells]

    rows = iter(rows)
    first = list(islice(rows, 1))
    names = list(columns or (first[0] if first else ()))
    write(line(names))
    for row in chain(first, rows):
        plain = _plain(row)
        write(line(plain.get(name) for name in names))


def _print(header: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> None:
    """On a terminal, the table fits its width; in a pipe, or with very many rows, all columns have their full width."""
    on_screen = sys.stdout.isatty() and len(rows) <= _RICH_ROWS
    click.echo("\n".join(line.rstrip() for line in (_fitted if on_screen else _padded)(header, rows)))


def _fitted(header: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines no wider than the terminal: long cells are folded."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*(header or ()), show_header=header is not None, box=None, header_style="bold")
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False, markup=False, emoji=False)  # a label in brackets is no colour
    with console.capture() as capture:
        console.print(table)
    return capture.get().splitlines()


def _padded(header: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with every column as wide as its widest cell, in terminal cells: two for a Chinese character."""
    from rich.cells import cell_len

    lines = [*([header] if header else []), *rows]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    return [
        " " + "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(str(name))} {_cell(item)}" for name, item in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value) or "-"
    return "-" if value in (None, "") else printable(str(value))


def _plain(value: Any) -> Any:
    """JSON has neither NaN nor numpy numbers."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
