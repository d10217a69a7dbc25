"""fer-stage store export: rows and features for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stages.commands.options import export_options, follow_links_option, format_option
from stages.output import echo_record

__all__ = ["command"]


@click.command("export")
@click.argument("store")
@click.option(
    "--output",
    "target",
    type=click.Path(path_type=Path),
    required=True,
    help="Where to: .parquet, .npy (and .npy.csv) or .safetensors (and .csv). An earlier export there is replaced.",
)
@click.option("--where", help="Only rows that meet a condition, as of `fer-stage query`.  [default: all]")
@click.option("--columns", help="Joined by commas.  [default: all]")
@click.option("--feature", default="pooled", show_default=True, help="Which output of the store.")
@click.option("--view", type=click.IntRange(0), default=0, show_default=True, help="Which view; 0 is the plain image.")
@export_options
@follow_links_option
@format_option
def command(**given: Any) -> None:
    """Write rows of STORE with their features, shard by shard. The features are raw, as they are stored.

    A row without a feature (its image was rejected, or has no such view) is kept as null or NaN, and counted.
    """
    from cache import open_store
    from stages.commands.store.formatting import place_of
    from stages.workflows.exports import exported

    names = [name.strip() for name in given["columns"].split(",")] if given["columns"] else None
    store = open_store(place_of(given["store"]))
    selection = store.select(given["where"], columns=names, output=given["feature"], view=given["view"])
    echo_record(exported(selection, given), given["output_format"])
