"""fer-stage store ls: every store below a features root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import format_option
from stages.output import echo_rows, say

if TYPE_CHECKING:
    from cache.upkeep.inventory import StoreStatus

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
@click.argument("root", default="features")
@format_option
def command(root: str, output_format: str) -> None:
    """Every store below ROOT (features by default), finished or not, and what cannot be opened, with the reason.

    Features are not read: `complete` says that a store was finished, `verify` tells whether its bits are right.
    """
    from cache.upkeep.inventory import statuses_below
    from stages.commands.store.formatting import human, place_of, shortened

    rows = [_row(standing) for standing in statuses_below(place_of(root))]
    if output_format == "table":
        shown = [row | {"size": human(row["bytes"]), "key": shortened(row["key"])} for row in rows]
        echo_rows(shown, output_format, _TABLE_COLUMNS)
    else:
        echo_rows(rows, output_format)
    for row in rows:
        if row["why"]:
            say(f"note: {row['why']}")
    say(f"{len(rows)} stores below {root}")


def _row(standing: StoreStatus) -> dict[str, Any]:
    from cache.upkeep.inventory import is_pinned, size_of
    from cache.writing.writer import building_folder

    path, store = standing.path, standing.store
    growing = building_folder(path) if standing.progress else None
    schema = store.manifest.schema if store else None
    return {
        "path": str(path),
        "dataset": store.dataset if store else path.stem,
        "encoder": path.parent.name,
        "rows": schema.n_rows if schema else None,
        "views": schema.n_views if schema else None,
        "outputs": [array.name for array in schema.arrays] if schema else [],
        "dtype": store.manifest.key_fields["dtype"] if store else None,
        "bytes": size_of(path) + (size_of(growing) if growing else 0),
        "rejected": _rejected(standing),
        "pinned": is_pinned(path),
        "state": f"{standing.state}, {standing.progress}" if standing.progress else standing.state,
        "key": store.key if store else None,
        "why": standing.why,
    }


def _rejected(standing: StoreStatus) -> int | None:
    """Rows without a feature: rejected by `index` or by `extract`. None if the store cannot say."""
    from cache.errors import CacheError

    try:
        return int((standing.store.columns(["status"])["status"] != "ok").sum()) if standing.store else None
    except CacheError:  # damage: `verify` reports it
        return None
