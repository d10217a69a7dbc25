"""Peak memory of `extract` as a whole command, at two numbers of tiny images."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from faces import face
from machine import show

DATASET, SIDE, PICTURES = "faces", 16, 50
# The program says itself what it needed: a parent only hears of the largest of all its children.
MEASURED = """
import resource, sys
from stages.cli import run
code = run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def write_images(root: Path, n: int) -> None:
    pictures = [face(SIDE, seed=seed) for seed in range(PICTURES)]
    for i in range(n):
        path = root / ("fear", "anger")[i % 2] / f"{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pictures[i % PICTURES])


def measured(folder: Path, *args: str) -> tuple[str, float]:
    """What a command printed on stdout, and its peak memory in MB."""
    run = [sys.executable, "-c", MEASURED, *args]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout, int(done.stderr.splitlines()[-1]) / (2**20 if sys.platform == "darwin" else 2**10)


def peak_mb(folder: Path, *args: str) -> float:
    return measured(folder, *args)[1]


def extract_mb(n: int, encoder: str) -> float:
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name, DATASET), n)
        peak_mb(Path(name), "index", "--dataset", DATASET, "--layout", "folder", "--root", DATASET, "--quiet")
        return peak_mb(Path(name), "extract", "--dataset", DATASET, "--encoder", encoder, "--quiet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rows", type=int, nargs=2, default=(2_000, 20_000), help="fewer images, more images")
    parser.add_argument("--encoder", default="untrained")
    options = parser.parse_args()
    few, many = (extract_mb(n, options.encoder) for n in options.rows)
    show(
        {
            "what": f"peak memory of extract, {options.encoder}, images of {SIDE} px",
            "peak_mb": {str(n): round(mb, 1) for n, mb in zip(options.rows, (few, many), strict=True)},
            "ratio": round(many / few, 3),
            "bytes_a_row": round((many - few) * 2**20 / (options.rows[1] - options.rows[0])),
        }
    )


if __name__ == "__main__":
    main()
