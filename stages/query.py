"""fer-stage query: rows of a store."""

from __future__ import annotations

from pathlib import Path

import click

from stages.options import format_option
from stages.output import echo_rows, say

__all__ = ["command"]


@click.command("query")
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--where", help="Condition on columns: \"split == 'test' and label in ('fear', 'anger')\".")
@click.option("--columns", help="Joined by commas.  [default: id,label,split,status,reason]")
@click.option("--limit", type=click.IntRange(0), help="At most so many rows.  [default: all]")
@format_option
def command(store: Path, where: str | None, columns: str | None, limit: int | None, output_format: str) -> None:
    """Rows of a feature store that meet a condition: `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `and`, `or`, `not`."""
    import cache

    names = (columns or "id,label,split,status,reason").split(",")
    opened = cache.open(store)
    selection = opened.select(where, columns=[name.strip() for name in names])
    frame = selection.frame if limit is None else selection.frame.head(limit)
    rows = [dict(zip(frame.columns, values, strict=True)) for values in frame.itertuples(index=False)]
    echo_rows(rows, output_format, list(frame.columns))
    say(f"{len(frame):,} rows shown, {len(selection):,} of {len(opened):,} match")
    if note := opened.manifest.provenance["encoder_note"]:
        say(f"note: {note}")
