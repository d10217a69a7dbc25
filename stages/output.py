"""Data on stdout: a table for people, JSON or CSV for machines."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TextIO

import click

from pipeline.progress import Progress

__all__ = ["FORMATS", "echo_record", "echo_rows", "say", "say_notes"]

FORMATS = ("table", "json", "csv")
Record = Mapping[str, Any]

_RICH_ROWS = 500  # rich lays out a terminal's table by looking at every cell three times: a second for some thousand

_ROWS_AT_ONCE = 64  # to JSON: one by one takes twice as long


def say(message: str) -> None:
    """A line for people, on stderr: above a progress bar if one is shown there."""
    sys.stderr.write(f"{message}\n")


def say_notes(progress: Progress) -> None:
    """A listener for calls that show no progress: what must be known before they start, such as a large download."""
    if progress.note and not progress.done:
        say(f"note: {progress.note}")


def echo_record(record: Record, output_format: str) -> None:
    """One result: JSON object, CSV with one row, or name and value in two columns."""
    if output_format == "json":
        click.echo(json.dumps(_plain(record), indent=2))
    elif output_format == "csv":
        _echo_csv([record], None, sys.stdout)
    else:
        _print(None, [[name, _cell(value)] for name, value in record.items()])


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
        _print(names, [[_cell(row[name]) for name in names] for row in rows])


def _echo_json(rows: Iterable[Record], file: TextIO) -> None:
    rows, start = iter(rows), "["
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        file.write(start + json.dumps(_plain(some), indent=2)[1:-2])
        start = ","
    file.write("[]\n" if start == "[" else "\n]\n")


def _echo_csv(rows: Iterable[Record], columns: Sequence[str] | None, file: TextIO) -> None:
    rows = iter(rows)
    first = list(islice(rows, 1))
    writer = csv.DictWriter(file, list(columns or (first[0] if first else ())), lineterminator="\n")
    writer.writeheader()
    for row in chain(first, rows):
        writer.writerow({name: json.dumps(v) if isinstance(v, dict | list) else v for name, v in _plain(row).items()})


def _print(header: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> None:
    """A terminal gets what fits; a pipe, and whoever asks for very much, all columns however wide they are."""
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
    """Lines with every column as wide as its widest cell, as a terminal counts width: two for a Chinese character."""
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
        return ", ".join(f"{name} {_cell(item)}" for name, item in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value) or "-"
    return "-" if value in (None, "") else " ".join(str(value).splitlines())


def _plain(value: Any) -> Any:
    """JSON knows no NaN and no numpy numbers."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
