"""`fer-stage index` of many small files: a first scan, a second one, one after a few edits, beside cat and sha256sum.

CPU time is that of the whole command, with all of its children. The files are dropped from memory before a case that
is called cold; the list of the folders stays there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import show
from timing import FER_STAGE

LABELS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
MARGIN_S = 3.0  # files that are younger when they are read are read again by the next scan
READ = "find root -type f -print0 | xargs -0 "


def make_tree(root: Path, n_files: int, n_bytes: int) -> list[Path]:
    """Class folders of a train and a test split with files of random bytes, which `index` never decodes."""
    rng, paths = random.Random(0), []
    folders = [root / split / label for split in ("train", "test") for label in LABELS]
    for folder in folders:
        folder.mkdir(parents=True)
    for i in range(n_files):
        path = rng.choice(folders) / f"{i:07d}.jpg"
        path.write_bytes(rng.randbytes(n_bytes // 2 + i % n_bytes))
        paths.append(path)
    os.sync()
    time.sleep(MARGIN_S)
    return paths


def forget(paths: Sequence[Path]) -> None:
    """Drop the content of files from memory, where the system can."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def measure(command: Sequence[str], folder: str) -> dict[str, Any]:
    """CPU and wall-clock seconds, the largest process in MB, and what `index` counted."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        assert process.returncode == 0, command
        out.seek(0)
        text = out.read()
    counted = {"scan": json.loads(text)["scan"]} if text.startswith(b"{") else {}
    cpu = round(usage.ru_utime + usage.ru_stime, 2)
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return {"cpu_s": cpu, "wall_s": round(seconds, 2), "peak_mb": round(usage.ru_maxrss / scale), **counted}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=300_000)
    parser.add_argument("--bytes", type=int, default=2000, help="mean size of a file")
    parser.add_argument("--edits", type=int, default=12)
    options = parser.parse_args()
    index = [sys.executable, "-c", FER_STAGE, "index", "--dataset", "d", "--layout", "folder", "--root", "root"]
    index += ["--format", "json", "--quiet"]
    cat, sha256sum = (["sh", "-c", READ + program + " > /dev/null"] for program in ("cat", "sha256sum"))
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = make_tree(Path(folder, "root"), options.files, options.bytes)
        for name, command in {"cat_cold": cat, "sha256sum_cold": sha256sum, "first_cold": index}.items():
            forget(paths)
            found[name] = measure(command, folder)
        found["second"] = measure(index, folder)
        for path in random.Random(1).sample(paths, options.edits):
            path.write_bytes(bytes(100))
        found["after_edits"] = measure(index, folder)
        found["sha256sum_warm"] = measure(sha256sum, folder)
        found["read_all_warm"] = measure([*index, "--read-all"], folder)
    show({"what": f"index of {options.files:,} files of {options.bytes} bytes in class folders", **found})


if __name__ == "__main__":
    main()
