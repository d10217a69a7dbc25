"""fer-stage head: trained heads for elsewhere. One module is one verb; nothing is imported to list them."""

from __future__ import annotations

import click

from stages.command_group import LazyGroup

__all__ = ["VERBS", "command"]

VERBS = {"export": "A trained head as one folder for other machines and programs."}


@click.group("head", cls=LazyGroup, commands=VERBS, package="stages.commands.head")
def command() -> None:
    """Hand trained heads to others."""
