"""A store of many rows of random features, and what is done with it: seconds, CPU seconds and peak memory of each step.

Each step is a process of its own, so its peak memory is its own. Several numbers of rows show what grows faster than
they do: `growth` is the factor by which a figure grew for each ten times as many rows.
"""

from __future__ import annotations

import argparse
import itertools
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import show
from random_store import make_store
from timing import FER_STAGE

from cache import open_store

WIDTH, K = 512, 10
STORE = "features/encoder/benchmark.zarr"
WHERE = "split == 'test' and label == 'fear'"


@dataclass(frozen=True)
class Usage:
    """What a process took: wall clock and CPU in seconds, and the most memory that it had, in MB."""

    seconds: float
    cpu_seconds: float
    peak_mb: float

    def as_json(self) -> dict[str, float]:
        return {"s": round(self.seconds, 2), "cpu_s": round(self.cpu_seconds, 2), "peak_mb": round(self.peak_mb)}


def write(n_rows: int, epochs: int) -> None:
    make_store(Path(STORE), n_rows, WIDTH)


def opened(n_rows: int, epochs: int) -> None:
    open_store(STORE)


def full_read(n_rows: int, epochs: int) -> None:
    open_store(STORE).select(columns=[]).numpy()


def neighbors(n_rows: int, epochs: int) -> None:
    open_store(STORE).neighbors(np.random.default_rng(1).standard_normal(WIDTH), K)


def neighbors_of_1000(n_rows: int, epochs: int) -> None:
    open_store(STORE).neighbors(np.random.default_rng(1).standard_normal((1000, WIDTH)), K)


def train(n_rows: int, epochs: int) -> None:
    from pipeline.learning.method import TrainingInputs  # here, as torch is memory that other steps do not need
    from pipeline.methods import config_class, load_method

    config = config_class("feature-mask")(epochs=epochs)
    store = open_store(STORE)
    load_method("feature-mask").fit(TrainingInputs(store, store.classes), config, seed=0)


# The peak of the program itself: `ru_maxrss` includes what its parent had when it started the program.
MEASURED = """
import resource, sys
try:
    {code}
finally:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    if sys.platform == "linux":
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        peak = int(status["VmHWM"].split()[0]) / 2**10
    print(usage.ru_utime + usage.ru_stime, peak, file=sys.stderr)
"""
RUN_STEP = (
    "import os, runpy; sys.path[0] = os.path.dirname(sys.argv[1]); runpy.run_path(sys.argv.pop(1), run_name='__main__')"
)

IN_PYTHON = {step.__name__: step for step in (write, opened, full_read, neighbors, neighbors_of_1000, train)}


def commands(n_rows: int) -> dict[str, tuple[str, ...]]:
    """Steps that are commands of `fer-stage`."""
    near = f"images/{n_rows // 2 % 1000:03d}/face-{n_rows // 2:07d}.jpg"
    return {
        "query_where": ("query", STORE, "--where", WHERE, "--format", "csv"),
        "query_near": ("query", STORE, "--near", near, "--k", str(K)),
        "verify": ("store", "verify", STORE),
        "gc": ("store", "gc", "features"),
    }


def used_by(code: str, args: Sequence[str], folder: str) -> Usage:
    """Run a program; CalledProcessError if it fails."""
    start = time.perf_counter()
    program = [sys.executable, "-c", MEASURED.format(code=code), *args]
    done = subprocess.run(program, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    cpu_seconds, peak_mb = map(float, done.stderr.splitlines()[-1].split())
    return Usage(time.perf_counter() - start, cpu_seconds, peak_mb)


def measured(n_rows: int, epochs: int, folder: str, skipped: Sequence[str]) -> dict[str, Usage]:
    """Every step in turn, over one store below `folder`."""
    script = (str(Path(__file__).absolute()), "--epochs", str(epochs), "--rows", str(n_rows), "--step")
    programs = {name: (RUN_STEP, (*script, name)) for name in IN_PYTHON}
    programs |= {name: (FER_STAGE, args) for name, args in commands(n_rows).items()}
    return {name: used_by(*program, folder) for name, program in programs.items() if name not in skipped}


def sizes(folder: str) -> dict[str, float]:
    """Of the store on disk: files, and bytes of the manifest and of all of it, a row."""
    store = open_store(Path(folder, STORE))
    files = [path for path in store.path.rglob("*") if path.is_file()]
    manifest = len(store.manifest.to_text())
    return {
        "shards": store.manifest.schema.n_shards,
        "files": len(files),
        "manifest_bytes_a_shard": round(manifest / store.manifest.schema.n_shards, 1),
        "bytes_a_row": round(sum(path.stat().st_size for path in files) / len(store), 1),
    }


def growth(before: Usage, after: Usage, n_before: int, n_after: int) -> dict[str, float]:
    """By what a figure grew for each ten times as many rows; 10 is proportional."""
    decades = math.log10(n_after / n_before)
    pairs = {"cpu": (before.cpu_seconds, after.cpu_seconds), "memory": (before.peak_mb, after.peak_mb)}
    return {name: round((new / old) ** (1 / decades), 2) for name, (old, new) in pairs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[100_000], help="1 kB of disk for each, twice for verify"
    )
    parser.add_argument("--epochs", type=int, default=60, help="of the training step")
    parser.add_argument("--skip", nargs="*", default=[], help="steps to leave out, such as train")
    parser.add_argument("--folder", help="where the stores are written; by default a temporary folder")
    parser.add_argument("--step", choices=IN_PYTHON, help="this step alone, in this process")
    options = parser.parse_args()
    if options.step:
        IN_PYTHON[options.step](options.rows[0], options.epochs)
        return
    result: dict[str, Any] = {"what": f"{WIDTH} float16 a row, Zarr, {options.epochs} epochs", "rows": {}, "growth": {}}
    usages: dict[int, dict[str, Usage]] = {}
    for n_rows in sorted(options.rows):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            if (free := shutil.disk_usage(folder).free) < 1.5 * 2 * WIDTH * n_rows:
                raise SystemExit(f"--rows {n_rows:,}: expected {3 * WIDTH * n_rows:,} bytes free, found {free:,}")
            usages[n_rows] = measured(n_rows, options.epochs, folder, options.skip)
            steps = {name: usage.as_json() for name, usage in usages[n_rows].items()}
            result["rows"][str(n_rows)] = {"store": sizes(folder), "steps": steps}
    for small, large in itertools.pairwise(usages):
        shared = usages[large]
        result["growth"][f"{small} to {large}"] = {
            name: growth(usages[small][name], usage, small, large) for name, usage in shared.items()
        }
    show(result)


if __name__ == "__main__":
    main()
