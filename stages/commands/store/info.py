"""fer-stage store info: the metadata of one store."""

from __future__ import annotations

from typing import Any

import click

from stages.commands.options import StoreType, format_option, request_of
from stages.output import echo_record

__all__ = ["command"]


@click.command("info")
@click.argument("store", type=StoreType())
@format_option
def command(output_format: str, **options: Any) -> None:
    """What STORE holds, what it was made of, by what, and how it is on disk."""
    from stages.commands.store.formatting import flattened, human
    from stages.requests import DescribeStoreRequest
    from stages.running import run
    from stages.workflows.stores import describe_store

    record = run(describe_store, request_of(DescribeStoreRequest, options)).summary()
    if output_format == "json":
        echo_record(record, output_format)
    else:
        table = {name: value for name, value in record.items() if name not in ("reasons", "columns")}
        table |= {"bytes": human(record["bytes"]), "columns": list(record["columns"])}
        echo_record(flattened(table), output_format)
