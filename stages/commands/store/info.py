"""fer-stage store info: the metadata of one store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stages.commands.options import StoreType, format_option
from stages.output import echo_record

if TYPE_CHECKING:
    from cache.places import Place

__all__ = ["command"]


@click.command("info")
@click.argument("store", type=StoreType())
@format_option
def command(store: Place, output_format: str) -> None:
    """The metadata of STORE: rows, outputs, key, dataset, encoder, software, and files on disk."""
    from cache import open_store
    from stages.commands.store.formatting import flattened, human
    from stages.workflows.stores import describe_store

    record = describe_store(open_store(store))
    if output_format == "json":
        echo_record(record, output_format)
    else:
        table = {name: value for name, value in record.items() if name not in ("reasons", "columns")}
        table |= {"bytes": human(record["bytes"]), "columns": list(record["columns"])}
        echo_record(flattened(table), output_format)
