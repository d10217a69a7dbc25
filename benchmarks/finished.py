"""`status`, `report`, `compare` and `browse`, as whole commands, in a project where all is up to date.

By default a project whose test set has 300,000 units of random features: two methods, one of them with two seeds, are
trained on 4,000 others, so that the time is that of the test set. `--project FOLDER` measures `status` and `report` in
one that is there, such as that of `make repro`; its report is written again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from builds import TREE, Build, Usage
from machine import show
from timing import FER_STAGE

DATASET, ENCODER = "faces", "mini"
N_TRAIN, N_VAL = 3_000, 1_000
PARAMS = f"""
classes: 8
datasets: {{{DATASET}: {{layout: folder, root: gone}}}}
encoders: {{{ENCODER}: {ENCODER}}}
methods: {{feature-mask: {{epochs: 1}}, linear-probe: {{refinements: 0}}}}
run: {{datasets: [{DATASET}], methods: [feature-mask, linear-probe], seeds: [0, 1]}}
"""
RUNS = f"runs/{ENCODER}"
COMMANDS = {
    "status": ["status"],
    "report": ["report"],
    "evaluate, nothing to do": ["evaluate", "--run", RUNS],
    "compare": ["compare", RUNS],
}


def write_features(folder: Path, n: int) -> None:
    """params.yaml, a table with `n` test units, and their features.

    In a process of its own: a process counts the memory of the one that it was forked from as its own.
    """
    from unchanged import random_table, write_store

    from pipeline.tables.samples import SampleTable
    from stages.workflows.tables import write_table

    table = random_table(n + N_TRAIN + N_VAL)
    frame = table.frame
    frame["split"] = np.repeat(["train", "val", "test"], [N_TRAIN, N_VAL, n])
    table = SampleTable(frame, table.info)
    (folder / "tables").mkdir()
    (folder / "params.yaml").write_text(PARAMS)
    write_table(table, folder / "tables" / f"{DATASET}.parquet")
    write_store(folder / "features", table)


def make_project(project: Build, n: int) -> dict[str, dict[str, float]]:
    """A project with `n` test units, by its commands; what `evaluate` and the first `report` took."""
    project.process([sys.executable, __file__, "--write", str(project.project), "--units", str(n)])
    project.run(["extract", "--dataset", DATASET])  # records what the encoder is
    for method in ("feature-mask", "linear-probe"):
        project.run(["train", "--method", method])
    made = {"evaluate, all new": project.run(["evaluate", "--run", RUNS]), "report, the first": project.run(["report"])}
    return {name: usage.as_json() for name, usage in made.items()}


@contextlib.contextmanager
def served(arguments: list[str], folder: Path) -> Iterator[tuple[str, float, subprocess.Popen[str]]]:
    """`fer-stage browse` until the block ends: the address, seconds until it was printed, and the process."""
    start = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(TREE)}
    command = [sys.executable, "-c", FER_STAGE, *arguments, "--format", "csv"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = iter(process.stdout)
    address = next(word for line in lines for word in line.split(",") if word.startswith("http://"))
    threading.Thread(target=lambda: list(lines), daemon=True).start()
    try:
        yield address, time.perf_counter() - start, process
    finally:
        process.terminate()  # Ctrl-C would be ignored where this runs in the background of a shell


def browse(folder: Path) -> dict[str, float]:
    """Seconds from the command to its address and to the data of the page; CPU time and memory of its process."""
    with served(["browse", RUNS], folder) as (address, started, process):
        start = time.perf_counter()
        for name in ("data/map-0.js", "data/run-0.js"):
            with urllib.request.urlopen(address + name) as answer:
                answer.read()
        read = time.perf_counter() - start
    _, _, used = os.wait4(process.pid, 0)
    usage = Usage(started + read, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
    return {"to its address, wall_s": round(started, 2), **usage.as_json()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=300_000)
    parser.add_argument("--project", type=Path, help="a finished project, in the place of a new one")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_features(options.write, options.units)
        return
    with tempfile.TemporaryDirectory() as temporary:
        project = Build(TREE, options.project or Path(temporary))
        made = {} if options.project else make_project(project, options.units)
        if options.project:
            project.run(["report"])  # of this version
        names = ("status", "report") if options.project else tuple(COMMANDS)
        usages = {name: [project.run(COMMANDS[name]) for _ in range(options.turns + 1)][1:] for name in names}
        found = {name: Usage.median(usage).as_json() for name, usage in usages.items()}
        if not options.project:
            found["browse"] = browse(project.project)
    what = f"in {options.project}" if options.project else f"{options.units} test units"
    show({"what": f"commands of a finished project, {what}", **made, **found, "targets": {"status": {"wall_s": 1.5}}})


if __name__ == "__main__":
    main()
