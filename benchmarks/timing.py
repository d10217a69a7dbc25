"""Seconds of calls and of whole commands: in turns, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["FER_STAGE", "commands_in_turns", "in_turns", "least_in_turns"]

FER_STAGE = "from stages.cli import main; main()"


def in_turns(calls: Mapping[str, Callable[[], Any]], turns: int = 3) -> dict[str, float]:
    """Median seconds of each call, after a turn to warm up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(turns + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def least_in_turns(calls: Mapping[str, Callable[[], Any]], turns: int = 5) -> dict[str, dict[str, float]]:
    """Least CPU and wall-clock seconds of each call: CPU time counts other processes on the machine least."""
    least: dict[str, tuple[float, float]] = {}
    for _ in range(turns):
        for name, call in calls.items():
            cpu, wall = time.process_time(), time.perf_counter()
            call()
            took = (time.process_time() - cpu, time.perf_counter() - wall)
            least[name] = min(took[0], least.get(name, took)[0]), min(took[1], least.get(name, took)[1])
    return {name: {"cpu_s": round(cpu, 4), "wall_s": round(wall, 4)} for name, (cpu, wall) in least.items()}


def commands_in_turns(folder: str | Path, commands: Mapping[str, Sequence[str]], turns: int = 3) -> dict[str, float]:
    """Median seconds of each program, start of Python included: its text, then its arguments."""

    def call(program: Sequence[str]) -> Callable[[], Any]:
        run = [sys.executable, "-c", *program]
        return lambda: subprocess.run(run, cwd=folder, capture_output=True, check=True)

    return in_turns({name: call(program) for name, program in commands.items()}, turns)
