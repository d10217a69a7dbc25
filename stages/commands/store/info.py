"""fer-stage store info: everything about one store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stages.commands.options import StoreType, format_option
from stages.output import echo_record

if TYPE_CHECKING:
    from cache.places import AnyPath

__all__ = ["command"]


@click.command("info")
@click.argument("store", type=StoreType())
@format_option
def command(store: AnyPath, output_format: str) -> None:
    """What STORE holds, what it was made of, by what, and how it lies on disk."""
    from cache import open_store
    from stages.commands.store.formatting import flattened, human
    from stages.workflows.stores import describe_store

    record = describe_store(open_store(store))
    if output_format == "json":
        echo_record(record, output_format)
    else:
        shown = {name: value for name, value in record.items() if name not in ("reasons", "columns")}
        shown |= {"bytes": human(record["bytes"]), "columns": list(record["columns"])}
        echo_record(flattened(shown), output_format)
