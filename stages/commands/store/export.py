"""fer-stage store export: rows and features for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from stages.commands.options import NamesType, StoreType, export_options, follow_links_option, format_option
from stages.output import echo_record, say

if TYPE_CHECKING:
    from cache.places import AnyPath

__all__ = ["command"]


@click.command("export")
@click.argument("store", type=StoreType())
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Where to: .parquet, .npy (and .npy.csv) or .safetensors (and .csv). An earlier export there is replaced.",
)
@click.option("--where", help="Only rows that meet a condition, as of `fer-stage query`.  [default: all]")
@click.option("--columns", type=NamesType(), help="Joined by commas.  [default: all]")
@click.option("--feature", default="pooled", show_default=True, help="Which output of the store.")
@click.option("--view", type=click.IntRange(0), default=0, show_default=True, help="Which view; 0 is the plain image.")
@export_options
@click.option("--croissant", is_flag=True, help="Of .parquet: also .croissant.json, which describes the file.")
@follow_links_option
@format_option
def command(
    store: AnyPath,
    output: Path,
    where: str | None,
    columns: tuple[str, ...] | None,
    feature: str,
    view: int,
    rejected: Literal["keep", "drop"],
    dtype: Literal["stored", "float32"],
    plain_list: bool,
    croissant: bool,
    output_format: str,
) -> None:
    """Write rows of STORE with their features, shard by shard. The features are raw, as they are stored.

    A row without a feature (its image was rejected, or has no such view) is kept as null or NaN, and counted.
    """
    from stages.workflows.exports import export_form, export_store

    form = export_form(rejected, dtype, plain_list)
    done = export_store(
        store, output, where=where, columns=columns, feature=feature, view=view, form=form, croissant=croissant
    )
    if done.note:
        say(f"note: {done.note}")
    echo_record(done.summary(), output_format)
