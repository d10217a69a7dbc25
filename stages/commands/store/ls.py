"""fer-stage store ls: every store below a features root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import StoreType, format_option
from stages.output import echo_rows, say

if TYPE_CHECKING:
    from cache.places import AnyPath
    from stages.workflows.stores import ListedStore

__all__ = ["command"]

_TABLE_COLUMNS = (
    "path",
    "dataset",
    "encoder",
    "rows",
    "views",
    "outputs",
    "dtype",
    "size",
    "rejected",
    "pinned",
    "state",
    "key",
)


@click.command("ls")
@click.argument("root", type=StoreType(), default="features")
@format_option
def command(root: AnyPath, output_format: str) -> None:
    """All stores below ROOT (features by default), finished or not, with the reason where one cannot be opened.

    Features are not read: `complete` means that writing was finished; `verify` checks the bytes.
    """
    from stages.commands.store.formatting import human, shortened
    from stages.workflows.stores import list_stores

    rows = [_row(store) for store in list_stores(root)]
    if output_format == "table":
        table = [row | {"size": human(row["bytes"]), "key": shortened(row["key"])} for row in rows]
        echo_rows(table, output_format, _TABLE_COLUMNS)
    else:
        echo_rows(rows, output_format)
    for row in rows:
        if row["why"]:
            say(f"note: {row['why']}")
    say(f"{len(rows)} stores below {root}")


def _row(store: ListedStore) -> dict[str, Any]:
    return {
        "path": str(store.path),
        "dataset": store.dataset,
        "encoder": store.encoder,
        "rows": store.n_rows,
        "views": store.n_views,
        "outputs": list(store.outputs),
        "dtype": store.dtype,
        "bytes": store.n_bytes,
        "rejected": store.n_rejected,
        "pinned": store.is_pinned,
        "state": store.state,
        "key": store.key,
        "why": store.why,
    }
