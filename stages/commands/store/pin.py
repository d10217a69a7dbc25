"""fer-stage store pin: protect a store from gc."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stages.commands.options import StoreType, follow_links_option, format_option
from stages.output import echo_rows

if TYPE_CHECKING:
    from cache.places import AnyPath

__all__ = ["command"]


@click.command("pin")
@click.argument("stores", type=StoreType(), metavar="STORE...", nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="Remove the pin instead.")
@follow_links_option
@format_option
def command(stores: tuple[AnyPath, ...], remove: bool, output_format: str) -> None:
    """Have `gc --unreferenced` keep each STORE: a file `.NAME.pin` next to it, whether or not anything refers to it."""
    from stages.workflows.store_upkeep import pin_stores

    pin_stores(stores, pinned=not remove)
    echo_rows([{"path": str(path), "pinned": not remove} for path in stores], output_format)
