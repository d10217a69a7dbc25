"""Commands, killed at many moments and run twice at once, in processes that are forked from a warm one.

A program: `python interrupted_command.py PROJECT`. Each line of stdin is a command as JSON; the project is copied below
its `work` for each try. Prints a JSON line for each try, and an empty one at the end of a command.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from warm_process import ended, import_commands, start

from stages.cli import run

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
_LATE = ("cache.", "pipeline.", "stages.", "open_clip")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main() -> None:
    """Try the commands of stdin, one after another."""
    sys.dont_write_bytecode = True  # a file that is compiled is no change of the command
    project = Path(sys.argv[1])
    import_commands()  # once for all tries
    for line in sys.stdin:
        _try(project, **json.loads(line))
        print(flush=True)


def _try(project: Path, work: str, command: list[str], prepare: list[list[str]], moments: int, pairs: int) -> None:
    """`prepare` are commands of the copy that all tries start from."""
    root = Path(work)
    prepared = _copied(project, root / "prepared")
    for words in prepare:
        assert _forked(prepared, lambda words=words: run(words)) == 0
    whole, counted = _copied(prepared, root / "whole"), root / "count.json"
    assert _forked(whole, lambda: _counted(command, counted)) == 0
    n_changes, imported = json.loads(counted.read_text())
    for name in imported:  # half of the time of each try otherwise
        importlib.import_module(name)
    gc.freeze()  # else the collector of each child writes to, and so copies, all of its memory
    for number in range(moments):
        moment = 1 + number * n_changes // moments
        folder = _copied(prepared, root / f"killed-{number}")
        output = root / f"killed-{number}.txt"
        killed = _forked(folder, lambda moment=moment: _killed(command, moment), output)
        left = _copied(folder, root / f"left-{number}")
        again = _forked(folder, lambda: run(command), output)
        _print(kind="killed", folder=folder, left=left, killed=killed, code=again, text=output.read_text())
    for number in range(pairs):
        folder = _copied(prepared, root / f"pair-{number}")
        children = [start(folder, lambda: run(command), root / f"pair-{number}.{i}") for i in range(2)]
        codes = [ended(child) for child in children]
        texts = [(root / f"pair-{number}.{i}").read_text() for i in range(2)]
        _print(kind="pair", folder=folder, codes=codes, texts=texts)


def _print(**values: Any) -> None:
    print(json.dumps(values, default=str), flush=True)


def _copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, symlinks=True)
    return target


def _counted(command: Sequence[str], counted: Path) -> int:
    """Write down how many changes a whole run makes, and which modules it imports."""
    changes, before = [0], set(sys.modules)

    def count(event: str, args: tuple[Any, ...]) -> None:
        changes[0] += _is_change(event, args)

    sys.addaudithook(count)
    code = run(list(command))
    n_changes = changes[0]
    imported = [name for name in sys.modules if name not in before and name.startswith(_LATE)]
    counted.write_text(json.dumps([n_changes, imported]))
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
    return ended(start(folder, work, output))


if __name__ == "__main__":
    main()
