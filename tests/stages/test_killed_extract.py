"""A real extract, a real SIGKILL: nothing finished is lost, and the resumed store is the uninterrupted one."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cache

N_IMAGES = 1100  # three shards


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of many tiny pictures, indexed."""
    folder = tmp_path_factory.mktemp("killed")
    rng = np.random.default_rng(0)
    for i in range(N_IMAGES):
        path = folder / "faces" / ("fear", "anger")[i % 2] / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    _run(folder, "index", "--dataset", "faces", "--layout", "folder", "--root", "faces")
    return folder


def _command(*args: str) -> list[str]:
    return [sys.executable, "-c", "from stages.cli import main; main()", *args]


def _run(folder: Path, *args: str) -> str:
    done = subprocess.run(_command(*args), cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _bytes(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in files}


@pytest.mark.parametrize("backend", ["zarr", "hdf5"])
def test_a_killed_extract_resumes_to_the_same_bytes(faces: Path, tmp_path: Path, backend: str) -> None:
    extract = ("extract", "--dataset", "faces", "--backend", backend, "--format", "json", "--batch-size", "32")
    shutil.copytree(faces, tmp_path, dirs_exist_ok=True)
    whole = json.loads(_run(faces, *extract))
    process = subprocess.Popen(_command(*extract), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = tmp_path / "features" / "untrained" / f".{Path(whole['path']).name}.building" / "journal.jsonl"
    deadline = time.monotonic() + 120
    while not (journal.exists() and journal.read_bytes().count(b"\n")):
        assert process.poll() is None, "the extract ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = rf"of 3 shards. Run `fer-stage extract --dataset faces --backend {backend} --batch-size 32"
    with pytest.raises(cache.errors.StoreIncompleteError, match=again):
        cache.open(tmp_path / whole["path"])

    resumed = json.loads(_run(tmp_path, *extract))
    assert resumed["reused"] >= 512
    assert resumed["reused"] + resumed["encoded"] == N_IMAGES
    assert resumed["encoded"] > 0
    assert _bytes(tmp_path / resumed["path"]) == _bytes(faces / whole["path"])
