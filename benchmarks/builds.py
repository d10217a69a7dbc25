"""Builds of this project in folders of their own, and whole processes of them: seconds, CPU time, memory."""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from timing import FER_STAGE

__all__ = ["TREE", "Build", "Usage", "processes_in_turns", "unpack"]

TREE = Path(__file__).parents[1]


def unpack(commit: str, folder: Path) -> Path:
    """The files of a commit."""
    archive = subprocess.run(["git", "-C", str(TREE), "archive", commit], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


@dataclass(frozen=True)
class Usage:
    """What a process and its children took: seconds, seconds of CPU time, and the largest memory of one of them."""

    wall_s: float
    cpu_s: float
    peak_mb: float

    @classmethod
    def median(cls, usages: Sequence[Self]) -> Self:
        return cls(*(statistics.median(column) for column in zip(*(use.columns() for use in usages), strict=True)))

    def columns(self) -> tuple[float, float, float]:
        return self.wall_s, self.cpu_s, self.peak_mb

    def as_json(self) -> dict[str, float]:
        return {"wall_s": round(self.wall_s, 2), "cpu_s": round(self.cpu_s, 2), "peak_mb": round(self.peak_mb)}


@dataclass(frozen=True)
class Build:
    """A tree of files, run by the Python of this process and its libraries.

    Parameters
    ----------
    tree : its packages come before installed ones
    project : where its commands run
    """

    tree: Path
    project: Path

    def run(self, arguments: Sequence[str], threads: int | None = None) -> Usage:
        """One command of `fer-stage`; the benchmark ends with its message if it fails."""
        return self.process([sys.executable, "-c", FER_STAGE, *arguments], threads)

    def process(self, command: Sequence[str], threads: int | None = None) -> Usage:
        """One process, with `fer-stage` of this build on its path."""
        limit = {"OMP_NUM_THREADS": str(threads)} if threads else {}
        environment = {**os.environ, **limit, "PYTHONPATH": str(self.tree)}
        environment["PATH"] = f"{self._bin()}{os.pathsep}{environment['PATH']}"
        log = self.project / "benchmark.log"
        with log.open("wb") as output:
            start = time.perf_counter()
            child = subprocess.Popen(
                command, cwd=self.project, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
            _, status, used = os.wait4(child.pid, 0)
            wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{self.tree}: {' '.join(command)}: {log.read_text(errors='replace')[-2000:]}")
        kibibytes = used.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
        return Usage(wall, used.ru_utime + used.ru_stime, kibibytes / 1024)

    def copy_params(self) -> None:
        """The tree's params.yaml, with the sample where `draw --style` puts it: some commits have it elsewhere."""
        text = (self.tree / "params.yaml").read_text().replace("data/drawn/", "data/")
        (self.project / "params.yaml").write_text(text)

    def _bin(self) -> Path:
        folder = self.project / ".bin"
        folder.mkdir(exist_ok=True)
        program = folder / "fer-stage"
        if not program.exists():
            program.write_text(f"#!{sys.executable}\n{FER_STAGE}\n")
            program.chmod(0o755)
        return folder


def processes_in_turns(
    builds: Mapping[str, Build], arguments: Sequence[str], turns: int, threads: int | None = None
) -> dict[str, Any]:
    """The same command in every build, in turns: the median of each, after a turn to warm up."""
    usages: dict[str, list[Usage]] = {name: [] for name in builds}
    for turn in range(turns + 1):
        for name, build in builds.items():
            usage = build.run(arguments, threads)
            if turn:
                usages[name].append(usage)
    return {name: Usage.median(found) for name, found in usages.items()}
