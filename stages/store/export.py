"""fer-stage store export: rows and features for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from stages.options import format_option
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
@format_option
def command(
    store: str, target: Path, where: str | None, columns: str | None, feature: str, view: int, output_format: str
) -> None:
    """Write rows of STORE with their features, shard by shard. The features are raw, as they are stored."""
    from cache import open_store
    from stages.store.shown import place_of

    names = [name.strip() for name in columns.split(",")] if columns else None
    selection = open_store(place_of(store)).select(where, columns=names, output=feature, view=view)
    written = selection.export(target)
    record = {"path": str(written[0]), "rows": len(selection), "files": [str(path) for path in written]}
    echo_record(record | {"feature": feature, "view": view, "key": selection.store.key}, output_format)
