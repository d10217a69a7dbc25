"""The `fer-stage` program: run a command. Errors become exit codes here and nowhere else."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
import traceback
import warnings
from pathlib import Path
from types import FrameType
from typing import Any

import click

from stages.command_group import cli
from stages.output import say
from stages.shadows import shadowed

__all__ = ["main"]

KNOWN_ERROR, USAGE, CHECK_FAILED = 1, 2, 3
SIGNALLED = 128  # and the number of the signal, as shells count
_YOUNG_OBJECTS = 50_000  # more than a command's own work has at once, and half of those that torch's import leaves


class _StoppedError(KeyboardInterrupt):
    """A signal that ends the program, as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def main(args: list[str] | None = None) -> None:
    """Entry point of the `fer-stage` program."""
    from stages.streams import open_streams

    _let_idle_threads_sleep()
    _collect_garbage_less_often()
    open_streams()
    _stop_on_signals()
    code = run(sys.argv[1:] if args is None else args)
    gc.freeze()  # the interpreter, as it ends, looks for cycles in what the system is about to take back: 0.2 s
    sys.exit(code)


def _let_idle_threads_sleep() -> None:
    """Threads of torch sleep at a barrier, and those of numpy between products, unless the user chose how they wait.

    By default they wait in a loop. Beside a busy process each barrier then lasts until the system takes the core from
    the loop: the small image network took 2.7 times the CPU time. OpenMP reads this once, when torch is imported.
    numpy's OpenBLAS starts a thread for each further core when it is imported, which waits in a loop of 2 ** 26 cycles
    first, then sleeps: 20 ms of CPU time. 2 ** 4 is the least that it takes; large products take no longer.
    """
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & os.environ.keys():
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def _collect_garbage_less_often() -> None:
    """Look for cycles after each `_YOUNG_OBJECTS` new objects, instead of 700.

    The imports of torch and pandas make 100,000 objects that live to the end, which were searched 300 times, older ones
    again and again: a tenth of the CPU time of a light head (6.8 s, 6.1 s with this). No cycle of ours is large.
    """
    gc.set_threshold(_YOUNG_OBJECTS)


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
    from pipeline.heap import share_one_heap  # late: `pipeline` may have been another package

    share_one_heap()
    values: dict[str, Any] = {"params": Path("params.yaml")}  # --params sets it to the file that it names
    try:
        cli.main(args, prog_name="fer-stage", standalone_mode=False, obj=values)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        say(text.getvalue().rstrip("\n"))
        return USAGE if isinstance(error, click.UsageError) else KNOWN_ERROR
    except (click.Abort, KeyboardInterrupt) as stop:
        number = _signal_of(stop)
        how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
        say(f"{how}: what is finished is kept; align and extract resume there")
        _release(stop)
        return SIGNALLED + number
    except Exception as error:
        if "--debug" in args:
            say(traceback.format_exc())
        return _report(error, values["params"])
    return 0


def _release(stop: BaseException) -> None:
    """Release what the stopped command was making, without Python's own messages about it.

    An event loop that a signal ended while it was made, say, cannot be closed: Python would print a traceback.
    """
    hook, sys.unraisablehook = sys.unraisablehook, lambda _unraisable: None
    try:
        with warnings.catch_warnings(action="ignore"):
            error: BaseException | None = stop
            while error is not None:
                traceback.clear_frames(error.__traceback__)
                error = error.__context__
            gc.collect()
    finally:
        sys.unraisablehook = hook


def _stop_on_signals() -> None:
    """SIGTERM and SIGHUP end the program as Ctrl-C does; one that is ignored, as under nohup, stays ignored."""
    ours = os.getpid()

    def stop(number: int, _frame: FrameType | None) -> None:
        if os.getpid() != ours:  # a forked worker, which has no file to finish
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


def _report(error: Exception, params: Path) -> int:
    """Print the error, and return the exit code."""
    from stages.error_messages import error_message
    from stages.errors import CheckFailedError, ReaderGoneError

    if isinstance(error, ReaderGoneError):
        return SIGNALLED + signal.SIGPIPE
    message = error_message(error, params)
    if isinstance(error, CheckFailedError):
        say(f"check failed: {message}")
        return CHECK_FAILED
    say(f"error: {message}")
    return KNOWN_ERROR
