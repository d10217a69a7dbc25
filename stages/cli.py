"""fer-stage: the command group. Commands are imported when called; errors become exit codes here and nowhere else."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from types import FrameType

import click

from stages.commands.lazy import LazyGroup
from stages.output import printable_lines, say
from stages.shadows import shadowed, why_broken

__all__ = ["main"]

# Name -> one line of help. A command lives in stages/commands/NAME.py, as `command`; listing them imports nothing.
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
KNOWN_ERROR, USAGE, CHECK_FAILED = 1, 2, 3
SIGNALLED = 128  # and the number of the signal, as shells count


@click.group(
    cls=LazyGroup,
    commands=COMMANDS,
    package="stages.commands",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(version("fer-stage"), prog_name="fer-stage")
@click.option("--debug", is_flag=True, help="Log what happens, and show tracebacks.")
def cli(debug: bool) -> None:
    """Facial expression recognition on cached features of frozen encoders.

    Data goes to stdout, progress and log to stderr. Exit codes: 0 done, 1 a known error, 2 usage, 3 a check found
    problems, 130 interrupted, 143 and 129 ended by SIGTERM and SIGHUP, 141 the reader of stdout went away.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LogFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level="DEBUG" if debug else "WARNING")
    logging.captureWarnings(True)
    if not debug:  # of a lost connection our own error tells; asyncio adds a traceback for each request under way
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)


class _LogFormatter(logging.Formatter):
    """Libraries log names of files and answers of servers, warnings quote them."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


class _StoppedError(KeyboardInterrupt):
    """A signal asks the program to end, as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def main(args: list[str] | None = None) -> None:
    """Entry point of the `fer-stage` program."""
    from stages.streams import open_streams

    open_streams()
    _stop_on_signals()
    sys.exit(run(sys.argv[1:] if args is None else args))


def run(args: list[str]) -> int:
    """Run one command line and return its exit code."""
    from stages.errors import OutputError, ReaderGoneError

    code = _run(args)
    try:
        sys.stdout.flush()
    except ReaderGoneError:
        return code or SIGNALLED + signal.SIGPIPE
    except OutputError as error:
        say(f"error: {error}")
        return code or KNOWN_ERROR
    return code


def _run(args: list[str]) -> int:
    if problem := shadowed():
        say(f"error: {problem}")
        return KNOWN_ERROR
    try:
        cli.main(args, prog_name="fer-stage", standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        say(shown.getvalue().rstrip("\n"))
        return USAGE if isinstance(error, click.UsageError) else KNOWN_ERROR
    except (click.Abort, KeyboardInterrupt) as stop:
        number = _signal_of(stop)
        how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
        say(f"{how}: what is finished is kept; align and extract go on from there")
        return SIGNALLED + number
    except Exception as error:
        if "--debug" in args:
            say(traceback.format_exc())
        return _report(error, args)
    return 0


def _stop_on_signals() -> None:
    """SIGTERM and SIGHUP end the program as Ctrl-C does; one that is ignored, as under nohup, stays ignored."""
    ours = os.getpid()

    def stop(number: int, _frame: FrameType | None) -> None:
        if os.getpid() != ours:  # a forked worker, which has nothing to leave whole
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise _StoppedError(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)


def _signal_of(stop: BaseException) -> int:
    """The signal that ended a command; click wraps what was raised."""
    for error in (stop, stop.__cause__):
        if isinstance(error, _StoppedError):
            return error.number
    return signal.SIGINT


def _report(error: Exception, args: list[str]) -> int:
    """Say what went wrong. Errors that we raise carry a `kind`; any other is a bug of ours and says so."""
    from stages.errors import CheckFailedError, ReaderGoneError

    if isinstance(error, ReaderGoneError):
        return SIGNALLED + signal.SIGPIPE
    if isinstance(error, CheckFailedError):
        from stages.remedies import as_commands

        say(f"check failed: {as_commands(error)}")
        return CHECK_FAILED
    if hasattr(error, "kind"):
        from stages.advice import runnable
        from stages.remedies import as_commands

        say(f"error: {runnable(as_commands(error), _params_path(args))}")
    elif _is_out_of_memory(error):
        say("error: out of memory: close other programs, or make --batch-size smaller, then run it again")
    elif isinstance(error, ImportError | AttributeError) and (broken := why_broken(error)):
        say(f"error: {broken}")
    elif isinstance(error, OSError) and error.strerror:
        say(f"error: {error.filename or 'the system'}: {error.strerror}")
    else:
        text = f"{type(error).__name__}: {error}"
        say(f"error: a bug of fer-stage ({text}). Run it again with `fer-stage --debug ...` and report it")
    return KNOWN_ERROR


# How PyTorch, OpenCV and the loader of libraries word it, in errors of other types.
_OUT_OF_MEMORY = (
    "not enough memory",
    "out of memory",
    "allocate memory",
    "insufficient memory",
    "failed to map segment",
)


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was refused to Python or to a library below it."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    is_of_library = isinstance(error, RuntimeError | ImportError) or type(error).__module__ == "cv2"
    return is_of_library and any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def _params_path(args: list[str]) -> Path:
    """The params.yaml of a command line."""
    for word, value in zip(args, [*args[1:], ""], strict=True):
        if word == "--params":
            return Path(value)
        if word.startswith("--params="):
            return Path(word.removeprefix("--params="))
    return Path("params.yaml")
