"""fer-stage query: rows of a store, and the nearest ones to a row, an image or a text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import (
    device_option,
    export_options,
    follow_links_option,
    format_option,
    params_path_option,
)
from stages.output import echo_record, echo_rows, say

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cache.selection import Selection
    from cache.store import Store

__all__ = ["command"]

_COLUMNS = "id,label,split,status,reason"
_K = 10


@click.command("query")
@click.argument("store")
@click.option("--where", help="Condition on columns: \"split == 'test' and label in ('fear', 'anger')\".")
@click.option("--columns", default=_COLUMNS, show_default=True, help="Joined by commas.")
@click.option("--near", help="The rows nearest to an id of the store, else to an image file, else to a text.")
@click.option("--k", type=click.IntRange(1), help=f"How many nearest rows.  [default: {_K}]")
@click.option("--metric", type=click.Choice(["cosine", "dot"]), help="Of nearness.  [default: cosine]")
@click.option("--feature", default="pooled", show_default=True, help="Output of the store to search or export.")
@click.option("--view", type=click.IntRange(0), default=0, show_default=True, help="View to search or export.")
@click.option("--limit", type=click.IntRange(0), help="At most so many rows.  [default: all]")
@click.option(
    "--output",
    "target",
    type=click.Path(path_type=Path),
    help="Write the rows with their features there: .parquet, .npy (and .npy.csv) or .safetensors (and .csv).",
)
@export_options
@click.option("--encoder", help="The store's encoder, for an image or a text.  [default: the one in the store]")
@device_option
@params_path_option
@follow_links_option
@format_option
def command(**given: Any) -> None:
    """Rows of a feature store that meet a condition: `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `and`, `or`, `not`.

    A row without a frame or a fold meets no comparison of it: `frame is null` and `frame is not null` ask for that.
    With --near the nearest of them, found exactly, with their `score`.
    """
    import cache

    if given["near"] is None and (given["k"] or given["metric"]):
        raise click.UsageError("--k and --metric say how to search: name what to search for with --near")
    form = (given["rejected"], given["dtype"], given["plain_list"])
    if given["target"] is None and form != ("keep", "stored", False):
        raise click.UsageError("--rejected, --dtype and --list say how to export: name a file with --output")
    store = cache.open(given["store"])
    names = [name.strip() for name in given["columns"].split(",")]
    matching = store.select(given["where"], columns=names, output=given["feature"], view=given["view"])
    chosen, scores = _chosen(store, matching, given)
    (_export if given["target"] else _show)(chosen, scores, given)
    say(f"{len(chosen):,} rows, {len(matching):,} of {len(store):,} match")
    if given["where"] and not len(matching):
        _explain_nothing(store, given["where"])
    if note := store.manifest.provenance.get("encoder_note"):
        say(f"note: {note}")


def _chosen(
    store: Store, matching: Selection, given: dict[str, Any]
) -> tuple[Selection, npt.NDArray[np.float32] | None]:
    """The rows to give, the nearest first, with their scores; without --near in the order of the store."""
    limit = slice(given["limit"])
    if given["near"] is None:
        return replace(matching, rows=matching.rows[limit]), None
    from cache.neighbors import nearest
    from stages.params import load_params
    from stages.workflows.neighbors import find_near
    from stages.workflows.store_encoder import encoder_of

    def load() -> Any:
        return encoder_of(store, load_params(given["params_path"]), given["encoder"], given["device"])

    near = find_near(given["near"], store, given["feature"], given["view"], load)
    say(f"--near: {near.said}")
    others = replace(matching, rows=matching.rows[matching.rows != near.row])
    found = nearest(others, near.vector.reshape(1, -1), given["k"] or _K, given["metric"] or "cosine")
    return replace(matching, rows=found.rows[0][limit]), found.scores[0][limit]


def _show(chosen: Selection, scores: npt.NDArray[np.float32] | None, given: dict[str, Any]) -> None:
    import pandas as pd

    from cache.exports import without_placeholders

    frame = without_placeholders(chosen.frame if scores is None else chosen.frame.assign(score=scores))
    rows = [
        {name: None if value is pd.NA else value for name, value in zip(frame.columns, values, strict=True)}
        for values in frame.itertuples(index=False)
    ]
    echo_rows(rows, given["output_format"], list(frame.columns))


def _export(chosen: Selection, scores: npt.NDArray[np.float32] | None, given: dict[str, Any]) -> None:
    """Features are read shard by shard, hence written in the order of the store."""
    from stages.workflows.exports import exported

    order = chosen.rows.argsort()
    added = {} if scores is None else {"score": scores[order]}
    record = exported(replace(chosen, rows=chosen.rows[order]), given, added)
    echo_record(record, given["output_format"])


def _explain_nothing(store: Store, where: str) -> None:
    from cache.query import unknown_values

    for column, value, nearest in unknown_values(where, store.frame):
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        say(f"no row has {column} == {value!r}{hint}")
