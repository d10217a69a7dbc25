"""fer-stage store convert: the same store in another file format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stages.commands.options import StoreType, follow_links_option, format_option, quiet_option
from stages.output import echo_record, say

if TYPE_CHECKING:
    from cache.places import AnyPath

__all__ = ["command"]


@click.command("convert")
@click.argument("store", type=StoreType())
@click.argument("target", type=StoreType())
@follow_links_option
@format_option
@quiet_option
def command(store: AnyPath, target: AnyPath, output_format: str, quiet: bool) -> None:
    """Copy STORE to TARGET, whose suffix (.zarr or .h5) chooses the format; the key, arrays and columns are equal.

    A stopped conversion resumes. A store of other features at TARGET is never replaced.
    """
    from stages.progress import progress_display
    from stages.workflows.store_upkeep import convert_store

    with progress_display(quiet=quiet) as on_progress:
        conversion = convert_store(store, target, on_progress)
    if not conversion.n_copied:
        say(f"{target} is up to date")
    echo_record(conversion.summary(), output_format)
