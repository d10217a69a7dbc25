"""fer-stage: the command group. A command is imported only to run it, or to show its own help."""

from __future__ import annotations

import importlib
import logging
import sys
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import click

from stages.output import printable_lines

__all__ = ["COMMANDS", "LazyGroup", "cli"]

# Name -> one line of help. A command is `command` in stages/commands/NAME.py; listing them imports nothing.
COMMANDS = {
    "init": "Start a project: params.yaml, dvc.yaml, what Git ignores.",
    "status": "What is stale, interrupted or missing, why, and the command for it.",
    "datasets": "List layouts and configured datasets, and what is on disk.",
    "code": "Versions and digests of methods, encoders and layouts, for DVC.",
    "draw": "Draw the embedded sample: faces of five styles.",
    "index": "Scan a dataset into its sample table.",
    "audit": "Find equal pictures within and across splits and datasets.",
    "align": "Find the face in every image of a dataset.",
    "extract": "Encode a dataset's images into a feature store.",
    "encode-text": "Encode prompts with a frozen text tower.",
    "train": "Train heads on cached features.",
    "recipes": "List the settings of the papers, each value with its source.",
    "evaluate": "Score trained heads on datasets.",
    "compare": "Test which methods differ, on the same test images.",
    "head": "Export trained heads.",
    "predict": "Predict the expressions in pictures and videos.",
    "report": "Write all runs on one page, with tables for DVC.",
    "browse": "Look at the pictures of test sets, confident mistakes first.",
    "query": "Print or export rows of a store.",
    "store": "Maintain stores: list, verify, compare, convert, export, clean up.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed.

    Parameters
    ----------
    commands : name -> one line of help; nothing is imported to list them
    package : of their modules; the module of a name has it as `command`
    """

    def __init__(self, *args: Any, commands: Mapping[str, str], package: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.short_helps, self.package = commands, package

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.short_helps)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.short_helps:
            return None
        command: click.Command = importlib.import_module(f"{self.package}.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.short_helps:
            from pipeline.suggestions import did_you_mean  # late: another package of this name may be in the way

            hint = did_you_mean(args[0], self.short_helps, otherwise="")
            raise click.UsageError(f"no command {args[0]!r}. {hint}{hint and ' '}See {ctx.command_path} --help", ctx)
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            _require_given_once(command, click.Context(command, ctx, name, resilient_parsing=True), rest)
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.short_helps.items()))


def _require_given_once(command: click.Command, ctx: click.Context, args: list[str]) -> None:
    """UsageError if an option that takes one value is given several; click would use the last one in silence."""
    _, _, given = command.make_parser(ctx).parse_args(list(args))
    counts = Counter(parameter for parameter in given if isinstance(parameter, click.Option))
    for option, n in counts.items():
        if n > 1 and not (option.multiple or option.is_flag or option.count):
            name = max(option.opts, key=len)
            raise click.UsageError(
                f"expected {name} once, found it {n} times, and {ctx.info_name} uses one value of it. "
                "Run the command once for each value",
                ctx,
            )


@click.group(
    cls=LazyGroup,
    commands=COMMANDS,
    package="stages.commands",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(version("fer-stage"), prog_name="fer-stage")
@click.option("--debug", is_flag=True, help="Log details, and print tracebacks.")
def cli(debug: bool) -> None:
    """Facial expression recognition on cached features of frozen encoders.

    Data goes to stdout, progress and log to stderr. Exit codes: 0 done, 1 a known error, 2 usage, 3 a check found
    problems, 130 interrupted, 143 and 129 ended by SIGTERM and SIGHUP, 141 the reader of stdout has ended.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LogFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level="DEBUG" if debug else "WARNING")
    logging.captureWarnings(True)
    if not debug:  # our own error says that a connection was lost; asyncio adds a traceback for each pending request
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)


class _LogFormatter(logging.Formatter):
    """Messages of libraries quote names of files and answers of servers."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))
