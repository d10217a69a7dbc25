"""A process that has imported all that commands need: a command that is forked from it starts at once.

A program: each line of stdin is a command as JSON. Prints the id of the process that runs it, and then its exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import selectors
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import stages.workflows
from stages.cli import run
from stages.command_group import COMMANDS

__all__ = ["WarmProcess", "ended", "import_commands", "start"]


def main() -> None:
    import_commands()
    importlib.import_module("torch")
    for line in sys.stdin:
        folder, command, output = json.loads(line)
        child = start(Path(folder), lambda command=command: run(command), Path(output))
        print(child, flush=True)
        print(ended(child), flush=True)


def import_commands() -> None:
    for name in COMMANDS:
        importlib.import_module(f"stages.commands.{name.replace('-', '_')}")
    for module in pkgutil.iter_modules(stages.workflows.__path__):
        importlib.import_module(f"stages.workflows.{module.name}")


def start(folder: Path, work: Callable[[], int], output: Path) -> int:
    """Run `work` in a child whose current folder is `folder`; both its streams go to `output`."""
    if child := os.fork():
        return child
    code = 70
    try:
        os.chdir(folder)
        stream = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        code = work()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Exit code of a child, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class WarmProcess:
    """The other side of the program: one command at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[WarmProcess]:
        program = [sys.executable, __file__]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(program, bufsize=0, env=environment, **pipes) as process:
            yield cls(process)
            process.communicate(timeout=60)
        assert process.returncode == 0

    def begin(self, folder: Path, command: Sequence[str], output: Path) -> int:
        """The id of the process that runs a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(folder), list(command), str(output)]).encode() + b"\n")
        return self._number()

    def code(self, timeout_s: float) -> int | None:
        """The exit code of the command, or None if it still runs after `timeout_s`."""
        with selectors.DefaultSelector() as selector:
            assert self._process.stdout is not None
            selector.register(self._process.stdout, selectors.EVENT_READ)
            return self._number() if selector.select(timeout_s) else None

    def _number(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())  # without a buffer: what is left of it can be waited for


if __name__ == "__main__":
    main()
