"""fer-stage: the command group. Commands are imported when called; errors become exit codes here and nowhere else."""

from __future__ import annotations

import logging
import sys
import traceback
from importlib.metadata import version
from pathlib import Path

import click

from stages.lazy import LazyGroup
from stages.shadows import shadowed, why_broken

__all__ = ["main"]

# Name -> one line of help. A command lives in stages/<name>.py, as `command`; nothing is imported to list them.
COMMANDS = {
    "datasets": "What can be read, what is configured, what is on disk.",
    "draw": "Draw the embedded sample: faces of five styles.",
    "index": "Scan a dataset into its sample table.",
    "align": "Find the face in every image of a dataset.",
    "extract": "Encode a dataset's images into a feature store.",
    "encode-text": "Encode prompts with a frozen text tower.",
    "train": "Train heads on cached features.",
    "recipes": "Settings of the papers, each value with its source.",
    "evaluate": "Score trained heads on datasets.",
    "head": "Hand trained heads to others: export.",
    "predict": "Name the expressions in pictures and videos.",
    "report": "All runs on one page, with tables for DVC.",
    "query": "Rows of a store.",
    "store": "Look after stores: list, check, compare, convert, export, clean up.",
}
KNOWN_ERROR, USAGE, CHECK_FAILED, INTERRUPTED = 1, 2, 3, 130


@click.group(
    cls=LazyGroup,
    commands=COMMANDS,
    package="stages",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(version("fer-stage"), prog_name="fer-stage")
@click.option("--debug", is_flag=True, help="Log what happens, and show tracebacks.")
def cli(debug: bool) -> None:
    """Facial expression recognition on cached features of frozen encoders.

    Data goes to stdout, progress and log to stderr. Exit codes: 0 done, 1 a known error, 2 usage, 3 a check found
    problems, 130 interrupted.
    """
    logging.basicConfig(stream=sys.stderr, level="DEBUG" if debug else "WARNING", format="%(levelname)s: %(message)s")
    if not debug:  # of a lost connection our own error tells; asyncio adds a traceback for each request under way
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def main(args: list[str] | None = None) -> None:
    """Entry point of the `fer-stage` program."""
    sys.exit(run(sys.argv[1:] if args is None else args))


def run(args: list[str]) -> int:
    """Run one command line and return its exit code."""
    if problem := shadowed():
        click.echo(f"error: {problem}", err=True)
        return KNOWN_ERROR
    try:
        cli.main(args, prog_name="fer-stage", standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return KNOWN_ERROR
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: what is finished is kept; align and extract go on from there", err=True)
        return INTERRUPTED
    except Exception as error:
        if "--debug" in args:
            traceback.print_exc()
        return _report(error, args)
    return 0


def _report(error: Exception, args: list[str]) -> int:
    """Say what went wrong. Errors that we raise carry a `kind`; any other is a bug of ours and says so."""
    from stages.errors import CheckFailedError

    if isinstance(error, CheckFailedError):
        click.echo(f"check failed: {error}", err=True)
        return CHECK_FAILED
    if hasattr(error, "kind"):
        from stages.advice import runnable

        click.echo(f"error: {runnable(str(error), _params_path(args))}", err=True)
    elif isinstance(error, ImportError | AttributeError) and (broken := why_broken(error)):
        click.echo(f"error: {broken}", err=True)
    elif isinstance(error, MemoryError):
        click.echo(
            "error: out of memory: close other programs, or make --batch-size smaller, then run it again", err=True
        )
    elif isinstance(error, OSError) and error.strerror:
        click.echo(f"error: {error.filename or 'the system'}: {error.strerror}", err=True)
    else:
        text = f"{type(error).__name__}: {error}"
        click.echo(
            f"error: a bug of fer-stage ({text}). Run it again with `fer-stage --debug ...` and report it", err=True
        )
    return KNOWN_ERROR


def _params_path(args: list[str]) -> Path:
    """The params.yaml of a command line."""
    for word, value in zip(args, [*args[1:], ""], strict=True):
        if word == "--params":
            return Path(value)
        if word.startswith("--params="):
            return Path(word.removeprefix("--params="))
    return Path("params.yaml")
