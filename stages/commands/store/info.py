"""fer-stage store info: everything about one store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stages.commands.options import format_option
from stages.output import echo_record

if TYPE_CHECKING:
    from cache.store import Store

__all__ = ["command"]


@click.command("info")
@click.argument("store")
@format_option
def command(store: str, output_format: str) -> None:
    """What STORE holds, what it was made of, by what, and how it lies on disk."""
    from cache import open_store
    from stages.commands.store.formatting import flattened, human, place_of

    record = _record(open_store(place_of(store)))
    if output_format == "json":
        echo_record(record, output_format)
    else:
        shown = {name: value for name, value in record.items() if name not in ("reasons", "columns")}
        shown |= {"bytes": human(record["bytes"]), "columns": list(record["columns"])}
        echo_record(flattened(shown), output_format)


def _record(store: Store) -> dict[str, Any]:
    from cache.upkeep.inventory import is_pinned, size_of
    from cache.writing.writer import unfinished

    manifest, frame, left = store.manifest, store.frame, unfinished(store.path)
    counts = frame.groupby(["split", "label"]).size().unstack(fill_value=0)
    return {
        "path": str(store.path),
        "dataset": dict(manifest.dataset),
        "rows": len(store),
        "views": store.n_views(),
        "bytes": size_of(store.path),
        "status": frame["status"].value_counts().to_dict(),
        "reasons": frame.loc[frame["status"] != "ok", "reason"].value_counts().to_dict() if "reason" in frame else {},
        "counts": {split: labels[labels > 0].to_dict() for split, labels in counts.iterrows()},
        "arrays": {array.name: _array(store, array.name) for array in manifest.schema.arrays},
        "shards": {"count": manifest.schema.n_shards, "rows": manifest.schema.shard_rows},
        "columns": dict(manifest.columns),
        "key": store.key,
        "key_fields": dict(manifest.key_fields),
        "provenance": dict(manifest.provenance),
        "pinned": is_pinned(store.path),
        "being_replaced": left.progress if left else "",
    }


def _array(store: Store, name: str) -> dict[str, Any]:
    from cache.backends import backend_name
    from cache.backends.layouts import LAYOUTS

    array = store.array(name)
    layout = LAYOUTS[backend_name(store.path)].layout(store.path, name)
    return {
        "shape": [store.n_views(), len(store), *array.row_shape],
        "dtype": array.dtype,
        "bytes": store.n_views() * len(store) * array.row_bytes,
        "chunks": list(layout.chunks) if layout and layout.chunks else "in one piece",
        "sha256": store.manifest.arrays[name],
    }
