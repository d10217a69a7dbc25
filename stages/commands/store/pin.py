"""fer-stage store pin: have gc keep a store."""

from __future__ import annotations

import click

from stages.commands.options import follow_links_option, format_option
from stages.output import echo_rows

__all__ = ["command"]


@click.command("pin")
@click.argument("stores", metavar="STORE...", nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="Take the pin away instead.")
@follow_links_option
@format_option
def command(stores: tuple[str, ...], remove: bool, output_format: str) -> None:
    """Have `gc --unreferenced` keep each STORE, whoever refers to it. A pin is a file `.NAME.pin` beside the store."""
    from cache import open_store
    from cache.upkeep.inventory import set_pin
    from stages.commands.store.formatting import place_of

    paths = [place_of(word) for word in stores]
    for path in paths:
        if not remove:
            open_store(path)  # a pin beside a name that was mistyped would keep nothing
    for path in paths:
        set_pin(path, pinned=not remove)
    echo_rows([{"path": str(path), "pinned": not remove} for path in paths], output_format)
