"""One command, killed at many moments and run twice at once, in processes that are forked from a warm one.

A program: `python interrupted_command.py PROJECT WORK < JSON`. The project is copied below WORK for each try. Prints a
JSON line for each.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import stages.workflows
from stages.cli import run
from stages.command_group import COMMANDS

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main() -> None:
    """Read `prepare` (commands of a new copy), `command`, `moments` and `pairs` from stdin."""
    project, work = map(Path, sys.argv[1:])
    task = json.loads(sys.stdin.read())
    for name in COMMANDS:  # imported once for all tries
        importlib.import_module(f"stages.commands.{name.replace('-', '_')}")
    for module in pkgutil.iter_modules(stages.workflows.__path__):
        importlib.import_module(f"stages.workflows.{module.name}")
    command, prepared = task["command"], work / "prepared"
    if command[0] in ("extract", "encode-text"):
        importlib.import_module("open_clip")  # seconds of each try otherwise
    _copied(project, prepared)
    for words in task["prepare"]:
        assert _forked(prepared, lambda words=words: run(words)) == 0
    whole = _copied(prepared, work / "whole")
    counted = work / "count"
    assert _forked(whole, lambda: _counted(command, counted)) == 0
    n_changes = int(counted.read_text())
    for number in range(task["moments"]):
        moment = 1 + number * n_changes // task["moments"]
        folder = _copied(prepared, work / f"killed-{number}")
        output = work / f"killed-{number}.txt"
        killed = _forked(folder, lambda moment=moment: _killed(command, moment), output)
        left = _copied(folder, work / f"left-{number}")
        again = _forked(folder, lambda: run(command), output)
        _print(kind="killed", folder=folder, left=left, killed=killed, code=again, text=output.read_text())
    for number in range(task["pairs"]):
        folder = _copied(prepared, work / f"pair-{number}")
        children = [_start(folder, lambda: run(command), work / f"pair-{number}.{i}") for i in range(2)]
        codes = [_ended(child) for child in children]
        texts = [(work / f"pair-{number}.{i}").read_text() for i in range(2)]
        _print(kind="pair", folder=folder, codes=codes, texts=texts)


def _print(**values: Any) -> None:
    print(json.dumps(values, default=str), flush=True)


def _copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, symlinks=True)
    return target


def _counted(command: Sequence[str], counted: Path) -> int:
    changes = [0]

    def count(event: str, args: tuple[Any, ...]) -> None:
        changes[0] += _is_change(event, args)

    sys.addaudithook(count)
    code = run(list(command))
    n_changes = changes[0]
    counted.write_text(str(n_changes))
    return code


def _killed(command: Sequence[str], moment: int) -> int:
    left = [moment]

    def kill(event: str, args: tuple[Any, ...]) -> None:
        if _is_change(event, args):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill)
    return run(list(command))


def _is_change(event: str, args: tuple[Any, ...]) -> bool:
    """Whether a file or folder is about to be written, made, renamed or removed."""
    if event != "open":
        return event in _CHANGES
    _path, mode, flags = args
    return bool(set(mode or "") & set("wax+")) or bool((flags or 0) & _WRITES and mode is None)


def _forked(folder: Path, work: Callable[[], int], output: Path = Path(os.devnull)) -> int:
    return _ended(_start(folder, work, output))


def _start(folder: Path, work: Callable[[], int], output: Path) -> int:
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


def _ended(child: int) -> int:
    """Exit code of a child, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main()
