"""fer-stage store convert: the same store in another file format."""

from __future__ import annotations

import click

from stages.commands.options import follow_links_option, format_option, quiet_option
from stages.output import echo_record, say

__all__ = ["command"]


@click.command("convert")
@click.argument("store")
@click.argument("target")
@follow_links_option
@format_option
@quiet_option
def command(store: str, target: str, output_format: str, quiet: bool) -> None:
    """Copy STORE to TARGET, whose ending (.zarr or .h5) chooses the format; the key, arrays and columns are equal.

    A stopped conversion goes on where it was. Other features that stand at TARGET are never replaced.
    """
    from cache import open_store
    from cache.upkeep.conversion import convert
    from pipeline.progress import Progress
    from stages.commands.store.formatting import place_of
    from stages.progress import shown_progress

    source, path = open_store(place_of(store)), place_of(target)
    with shown_progress(quiet=quiet) as on_progress:
        copied = convert(source, path, lambda done, n: on_progress(Progress("convert shards", done, n)))
    if not copied:
        say(f"{path} is up to date")
    shards = source.manifest.schema.n_shards
    record = {"source": str(source.path), "path": str(path), "rows": len(source), "shards": shards, "copied": copied}
    echo_record(record | {"key": source.key}, output_format)
