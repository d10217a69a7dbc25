"""A command on quiet cores, and beside processes that keep some of them busy: how much longer does it take?

Threads that wait for each other in a loop lose far more than their share of a core that another process uses: their
seconds of CPU time show it on any machine, those on the clock only where nothing else runs.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from builds import TREE, Build, Usage, unpack
from machine import show

OUT = "again"  # what a command writes: removed after it, so that nothing is up to date
_TRAIN = ["train", "--runs", OUT, "--dataset", "sample-a", "--method"]
COMMANDS: dict[str, list[str]] = {
    "linear-probe": [*_TRAIN, "linear-probe"],
    "baseline": [*_TRAIN, "baseline", "--option", "epochs=6"],
    "baseline, ResNet": [*_TRAIN, "baseline", "--option", "epochs=1", "--option", "backbone=resnet18"],
    "feature-mask": [*_TRAIN, "feature-mask"],
    "coop": [*_TRAIN, "coop", "--option", "epochs=10"],
    "extract": ["extract", "--dataset", "sample-a", "--features", OUT],
    "extract, eager": ["extract", "--dataset", "sample-a", "--features", OUT, "--runtime", "eager"],
    "predict": ["predict", "data/sample-a"],
}


@contextmanager
def busy(n: int) -> Iterator[None]:
    """`n` processes that never wait."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def project_of(build: Build, images: int) -> None:
    """A drawn dataset and its features."""
    build.project.mkdir()
    build.copy_params()
    build.run(["draw", "--style", "sample-a", "--images", str(images)])
    build.run(["index", "--dataset", "sample-a"])
    build.run(["extract", "--dataset", "sample-a"])


def quiet_and_busy(build: Build, arguments: Sequence[str], n_busy: int, threads: int | None) -> tuple[Usage, Usage]:
    usages = []
    for n in (0, n_busy):
        with busy(n):
            usages.append(build.run(arguments, threads))
        shutil.rmtree(build.project / OUT, ignore_errors=True)
    return usages[0], usages[1]


def compared(pairs: Sequence[tuple[Usage, Usage]]) -> dict[str, Any]:
    quiet, beside = (Usage.median(of_n) for of_n in zip(*pairs, strict=True))
    return {
        "quiet": quiet.as_json(),
        "busy": beside.as_json(),
        "ratio of wall": round(beside.wall_s / quiet.wall_s, 2),
        "ratio of cpu": round(beside.cpu_s / quiet.cpu_s, 2),
    }


def measured(
    builds: Mapping[str, Build], name: str, turns: int, n_busy: int, threads: int | None
) -> dict[str, dict[str, Any]]:
    pairs: dict[str, list[tuple[Usage, Usage]]] = {of: [] for of in builds}
    for _ in range(turns):
        for of, build in builds.items():
            pairs[of].append(quiet_and_busy(build, COMMANDS[name], n_busy, threads))
    return {of: compared(of_build) for of, of_build in pairs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--processes", type=int, default=1, help="That keep a core busy each.")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--images", type=int, default=1200)
    parser.add_argument("--command", action="append", choices=COMMANDS, help="Only this one; several times.")
    parser.add_argument("--against", help="A commit, measured in turns with this tree.")
    parser.add_argument("--threads", type=int, help="OMP_NUM_THREADS; by default that of the environment.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        builds = {"now": Build(TREE, Path(folder, "now"))}
        if options.against:
            builds["before"] = Build(unpack(options.against, Path(folder, "tree")), Path(folder, "before"))
        for build in builds.values():
            project_of(build, options.images)
        results = {
            name: measured(builds, name, options.turns, options.processes, options.threads)
            for name in options.command or COMMANDS
        }
    show({"what": f"commands beside {options.processes} busy processes", "turns": options.turns, **results})


if __name__ == "__main__":
    main()
