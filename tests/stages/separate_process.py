"""fer-stage in a process of its own, and a dataset that takes it some seconds."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stages import cli

__all__ = ["N_IMAGES", "command", "make_faces", "run"]

N_IMAGES = 2200  # five shards


def command(*args: str) -> list[str]:
    return [sys.executable, "-c", "from stages.cli import main; main()", *args]


def run(folder: Path, *args: str, code: int = 0, env: Mapping[str, str] | None = None) -> Any:
    """What it prints: stderr if it has to fail, JSON if that was asked for, else stdout. Never a traceback."""
    done = subprocess.run(
        command(*args),
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr if code else json.loads(done.stdout) if "json" in args else done.stdout


def make_faces(folder: Path) -> None:
    """Many tiny pictures, indexed as the dataset `faces`."""
    rng = np.random.default_rng(0)
    for i in range(N_IMAGES):
        path = folder / "faces" / ("fear", "anger")[i % 2] / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    with contextlib.chdir(folder):
        assert cli.run(["index", "--dataset", "faces", "--layout", "folder", "--root", "faces", "--quiet"]) == 0
