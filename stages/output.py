"""Data on stdout: a table for people, JSON or CSV for machines."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

__all__ = ["FORMATS", "echo_record", "echo_rows", "say"]

FORMATS = ("table", "json", "csv")
Record = Mapping[str, Any]


def say(message: str) -> None:
    """A line for people, on stderr: above a progress bar if one is shown there."""
    sys.stderr.write(f"{message}\n")


def echo_record(record: Record, output_format: str) -> None:
    """One result: JSON object, CSV with one row, or name and value in two columns."""
    if output_format == "json":
        click.echo(json.dumps(_plain(record), indent=2))
    elif output_format == "csv":
        _echo_csv([record])
    else:
        table = Table(show_header=False, box=None)
        for name, value in record.items():
            table.add_row(name, _cell(value))
        _print(table)


def echo_rows(rows: Sequence[Record], output_format: str, columns: Sequence[str] | None = None) -> None:
    """Many results: JSON list, CSV, or a table."""
    if output_format == "json":
        click.echo(json.dumps(_plain(list(rows)), indent=2))
    elif output_format == "csv":
        _echo_csv(rows, columns)
    else:
        names = list(columns or (rows[0] if rows else ()))
        table = Table(*names, box=None, header_style="bold")
        for row in rows:
            table.add_row(*(_cell(row[name]) for name in names))
        _print(table)


def _echo_csv(rows: Sequence[Record], columns: Sequence[str] | None = None) -> None:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(columns or (rows[0] if rows else ())), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: json.dumps(v) if isinstance(v, dict | list) else v for name, v in _plain(row).items()})
    click.echo(buffer.getvalue(), nl=False)


def _print(table: Table) -> None:
    # A pipe gets all columns however wide they are; a terminal gets what fits.
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=10_000)
    with console.capture() as capture:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


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
    return "-" if value in (None, "") else str(value)


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
