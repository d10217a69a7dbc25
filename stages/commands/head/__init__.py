"""fer-stage head: export of trained heads. One module per subcommand; listing them imports nothing."""

from __future__ import annotations

import click

from stages.command_group import LazyGroup

__all__ = ["SUBCOMMANDS", "command"]

SUBCOMMANDS = {"export": "Write a trained head into one folder, for other machines and programs."}


@click.group("head", cls=LazyGroup, commands=SUBCOMMANDS, package="stages.commands.head")
def command() -> None:
    """Export trained heads."""
