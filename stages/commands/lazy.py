"""A command group that imports a command only to run it, or to show its own help."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

__all__ = ["LazyGroup"]


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own.

    Parameters
    ----------
    commands : name -> one line of help; nothing is imported to list them
    package : where they live; the module of a name holds it as `command`
    """

    def __init__(self, *args: Any, commands: Mapping[str, str], package: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lines, self.package = commands, package

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lines)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lines:
            return None
        command: click.Command = importlib.import_module(f"{self.package}.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.lines:
            import difflib

            near = difflib.get_close_matches(args[0], self.lines, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"no command {args[0]!r}.{hint} See {ctx.command_path} --help", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.lines.items()))
