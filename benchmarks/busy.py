"""A command on quiet cores, and beside processes that keep some of them busy: how much longer does it take?

Threads that wait for each other in a loop lose far more than their share of a core that another process uses.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builds import TREE, Build, Usage
from machine import show

PROJECT = [["draw", "--style", "sample-a"], ["index", "--dataset", "sample-a"], ["extract", "--dataset", "sample-a"]]
COMMANDS = {
    "linear-probe": ["train", "--dataset", "sample-a", "--method", "linear-probe", "--force"],
    "baseline": ["train", "--dataset", "sample-a", "--method", "baseline", "--force", "--set", "epochs=6"],
    "feature-mask": ["train", "--dataset", "sample-a", "--method", "feature-mask", "--force"],
    "extract": ["extract", "--dataset", "sample-a", "--features", "again"],
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--processes", type=int, default=1, help="That keep a core busy each.")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--command", action="append", choices=COMMANDS, help="Only this one; several times.")
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        build = Build(TREE, Path(folder))
        Path(folder, "params.yaml").write_text((TREE / "params.yaml").read_text())
        for command in PROJECT:
            build.run(command)
        for name in options.command or COMMANDS:
            usages: dict[int, list[Usage]] = {0: [], options.processes: []}
            for _ in range(options.turns):
                for n, of_n in usages.items():
                    with busy(n):
                        of_n.append(build.run(COMMANDS[name]))
            quiet, beside = (Usage.median(of_n) for of_n in usages.values())
            found[name] = {
                "quiet": quiet.as_json(),
                "busy": beside.as_json(),
                "ratio of wall": round(beside.wall_s / quiet.wall_s, 2),
            }
    show({"what": f"wall time beside {options.processes} busy processes", "turns": options.turns, **found})


if __name__ == "__main__":
    main()
