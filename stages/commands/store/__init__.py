"""fer-stage store: maintenance of stores. One module per subcommand; listing them imports nothing."""

from __future__ import annotations

import click

from stages.command_group import LazyGroup

__all__ = ["SUBCOMMANDS", "command"]

SUBCOMMANDS = {
    "ls": "Every store below a features root.",
    "info": "The metadata of one store.",
    "verify": "Compare every byte of stores with what was written.",
    "why": "Why two stores differ, or why one is stale.",
    "convert": "The same store in another file format.",
    "export": "Rows and features for other programs.",
    "gc": "Remove temporary files, and on demand unreferenced stores.",
    "pin": "Protect a store from gc.",
}


@click.group("store", cls=LazyGroup, commands=SUBCOMMANDS, package="stages.commands.store")
def command() -> None:
    """Maintain stores: list, check, compare, convert, export, clean up."""
