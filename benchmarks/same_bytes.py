"""Whether an earlier commit and this tree give the same bytes: sample tables, stores, texts, heads, scores.

Both work on a small project of their own, in turns, with the same libraries: two drawn datasets, extracted to Zarr and
to HDF5 with views and all outputs, every method trained and scored. Times and versions of libraries are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from builds import TREE, unpack
from machine import show
from timing import FER_STAGE

# Of images, since a method that reads none has nothing to train in them; small, so that all of it takes a few minutes.
PARAMS = """
sample: {version: 1, images: 120, seed: 0}
datasets:
  sample-a: {layout: sample, root: data/sample-a}
  sample-b: {layout: sample, root: data/sample-b}
encoders: {mini: mini}
extract: {outputs: [pooled, pixels], views: 2, pixel_size: 32}
methods:
  baseline: {backbone: small, epochs: 1}
  cafe: {backbone: small, epochs: 1}
  cliper: {epochs: 1}
  cocoop: {epochs: 1}
  coop: {epochs: 1}
  eac: {epochs: 1}
  feature-mask: {epochs: 2}
  kefer: {epochs: 2}
  metd: {epochs: 1}
  rul: {epochs: 1}
  scn: {epochs: 1}
run:
  samples: [sample-a, sample-b]
  datasets: [sample-a, sample-b]
  seeds: [0, 1]
"""
METHODS = (
    *("baseline", "cafe", "cliper", "cocoop", "coop", "eac", "feature-mask", "kefer", "linear-probe", "metd", "rul"),
    *("scn", "zero-shot"),
)
COMMANDS = [
    *(["index", "--dataset", dataset] for dataset in ("sample-a", "sample-b")),
    *(["extract", "--dataset", dataset] for dataset in ("sample-a", "sample-b")),
    ["extract", "--dataset", "sample-a", "--backend", "hdf5", "--features", "features-h5"],
    ["encode-text"],
    *(["train", "--method", method, "--dataset", "sample-a"] for method in METHODS),
    ["train", "--method", "feature-mask", "--dataset", "sample-a", "--grid", "beta_div=1,5"],
    ["evaluate", "--run", "runs"],
]
LEFT_OUT = {"seconds", "versions"}  # of JSON, at any depth


def run(tree: Path, project: Path, command: list[str]) -> None:
    """One command of the program in `tree`, which comes before an installed one."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", FER_STAGE, *command], cwd=project, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{tree}: fer-stage {' '.join(command)}: {done.stderr}")


def digests(project: Path) -> dict[str, str]:
    """sha256 of every file but the images, by its path."""
    files = (path for path in sorted(project.rglob("*")) if path.is_file() and path.parts[-3] != "data")
    return {
        str(path.relative_to(project)): hashlib.sha256(content(path)).hexdigest()
        for path in files
        if path.suffix != ".lock"
    }


def content(path: Path) -> bytes:
    data = path.read_bytes()
    return json.dumps(timeless(json.loads(data))).encode() if path.suffix == ".json" else data


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: timeless(item) for name, item in value.items() if name not in LEFT_OUT}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("commit", help="What to compare this tree with.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trees = {"before": unpack(options.commit, Path(folder, "tree")), "now": TREE}
        projects = {name: Path(folder, name) for name in trees}
        for project in projects.values():
            project.mkdir()
            Path(project, "params.yaml").write_text(PARAMS)
        for command in COMMANDS:
            for name, tree in trees.items():
                run(tree, projects[name], command)
        before, now = (digests(project) for project in projects.values())
    differ = sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
    show({"what": f"files that differ from {options.commit}", "files": len(before), "differ": differ})
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
