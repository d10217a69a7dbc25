"""fer-stage store: looking after stores. One module is one verb; nothing is imported to list them."""

from __future__ import annotations

import click

from stages.command_group import LazyGroup

__all__ = ["VERBS", "command"]

VERBS = {
    "ls": "Every store below a features root.",
    "info": "Everything about one store.",
    "verify": "Compare every byte of stores with what was written.",
    "why": "Why two stores differ, or why one is stale.",
    "convert": "The same store in another file format.",
    "export": "Rows and features for other programs.",
    "gc": "Remove leftovers, and on demand stores that nothing refers to.",
    "pin": "Have gc keep a store.",
}


@click.group("store", cls=LazyGroup, commands=VERBS, package="stages.commands.store")
def command() -> None:
    """Look after stores: list, check, compare, convert, export, clean up."""
