"""fer-stage query: rows of a store, and the nearest ones to a row, an image or a text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import (
    NamesType,
    StoreType,
    device_option,
    export_options,
    follow_links_option,
    format_option,
    params_option,
    request_of,
)
from stages.output import echo_record, echo_rows, say

if TYPE_CHECKING:
    from stages.results import QueryResult

__all__ = ["command"]

_COLUMNS = ("id", "label", "split", "status", "reason")
_BLOCK_ROWS = 2**14


@click.command("query")
@click.argument("store", type=StoreType())
@click.option("--where", help="Condition on columns: \"split == 'test' and label in ('fear', 'anger')\".")
@click.option(
    "--columns", type=NamesType(), default=_COLUMNS, show_default=",".join(_COLUMNS), help="Joined by commas."
)
@click.option("--near", help="The rows nearest to an id of the store, else to an image file, else to a text.")
@click.option("--k", type=click.IntRange(1), help="How many nearest rows.  [default: 10]")
@click.option("--metric", type=click.Choice(["cosine", "dot"]), help="Of similarity.  [default: cosine]")
@click.option("--feature", default="pooled", show_default=True, help="Output of the store to search or export.")
@click.option("--view", type=click.IntRange(0), default=0, show_default=True, help="View to search or export.")
@click.option("--limit", type=click.IntRange(0), help="At most so many rows.  [default: all]")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Write the rows with their features there: .parquet, .npy (and .npy.csv) or .safetensors (and .csv).",
)
@export_options
@click.option("--encoder", help="The store's encoder, for an image or a text.  [default: the one in the store]")
@device_option
@params_option
@follow_links_option
@format_option
def command(output_format: str, **options: Any) -> None:
    """Rows of a feature store that meet a condition: `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `and`, `or`, `not`.

    A missing frame or fold matches no comparison; test for it with `frame is null` and `frame is not null`. With
    --near, the nearest of the matching rows with their `score`, by exact search.
    """
    from stages.requests import QueryRequest
    from stages.running import run
    from stages.workflows.query import query

    result = run(query, request_of(QueryRequest, options))
    if result.exported:
        echo_record(result.exported.summary(), output_format)
        if result.exported.note:
            say(f"note: {result.exported.note}")
    else:
        _print_rows(result, output_format)
    say(f"{len(result):,} rows, {result.n_matching:,} of {result.selection.store.manifest.schema.n_rows:,} match")
    for note in result.notes:
        say(f"note: {note}")


def _print_rows(result: QueryResult, output_format: str) -> None:
    import pandas as pd

    frame = result.frame
    rows = (
        {name: None if value is pd.NA else value for name, value in zip(frame.columns, values, strict=True)}
        for start in range(0, len(frame), _BLOCK_ROWS)  # `itertuples` makes lists of all columns first
        for values in frame.iloc[start : start + _BLOCK_ROWS].itertuples(index=False)
    )
    echo_rows(rows, output_format, list(frame.columns))
