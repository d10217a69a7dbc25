"""fer-stage in a process of its own, a dataset of five shards, and an encoder that takes time but no work."""

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

__all__ = ["ENCODER", "FEATURES", "N_IMAGES", "command", "make_faces", "put_encoder", "run"]

N_IMAGES = 2200  # five shards
ENCODER, FEATURES = "tiny.py:Tiny", Path("features/tiny-Tiny")
# Its process starts in a third of the time of one that imports open_clip. It sleeps, so that there is time for a kill.
_ENCODER_FILE = """
import time

import torch
from pipeline.images.preprocess import Preprocess

class Tiny(torch.nn.Module):
    preprocess = Preprocess(size=8)

    def __init__(self, weights):
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 16, 3)
        self.linear = torch.nn.Linear(16, 8)

    def forward(self, images):
        time.sleep(0.02)
        return self.linear(self.convolution(images).relu().mean((2, 3)))
"""


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
    """Many tiny pictures, indexed as the dataset `faces`, and the file of `ENCODER`."""
    put_encoder(folder)
    rng = np.random.default_rng(0)
    for i in range(N_IMAGES):
        path = folder / "faces" / ("fear", "anger")[i % 2] / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    with contextlib.chdir(folder):
        assert cli.run(["index", "--dataset", "faces", "--layout", "folder", "--root", "faces", "--quiet"]) == 0


def put_encoder(folder: Path) -> None:
    """The file of `ENCODER`, in the folder of a project."""
    (folder / "tiny.py").write_text(_ENCODER_FILE)
