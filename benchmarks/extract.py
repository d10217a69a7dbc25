"""The whole extract against a bare loop of the same encoder over batches that are already decoded."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import show
from PIL import Image

from pipeline.encoders import EncoderSpec, load_encoder

BATCH = 64


def write_faces(folder: Path, n: int) -> None:
    """JPEGs of the size of an aligned face."""
    rng = np.random.default_rng(0)
    for i in range(n):
        path = folder / ("fear", "anger")[i % 2] / f"{i:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        noise.resize((100, 100), Image.Resampling.BICUBIC).save(path, quality=90)


def bare_rate(spec: str, n: int) -> float:
    """Images/s of the encoder alone."""
    encoder = load_encoder(EncoderSpec.parse(spec), "auto")
    size = encoder.preprocess.size
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 3), dtype=np.uint8)
    encoder.encode_images(pixels)
    start = time.perf_counter()
    for _ in range(n // BATCH):
        encoder.encode_images(pixels)
    return BATCH * (n // BATCH) / (time.perf_counter() - start)


def extract_rate(folder: Path, spec: str) -> dict[str, float]:
    """Images/s of the command, as it reports them: from the loaded encoder to the finished store."""
    args = ["extract", "--dataset", "faces", "--layout", "folder", "--root", "faces", "--encoder", spec]
    command = [sys.executable, "-c", "from stages.cli import main; main()", *args, "--format", "json", "--quiet"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    print(done.stderr, file=sys.stderr)
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="untrained")
    parser.add_argument("--images", type=int, default=2048)
    options = parser.parse_args()
    spec = options.encoder
    with tempfile.TemporaryDirectory() as name:
        write_faces(Path(name, "faces"), options.images)
        whole = extract_rate(Path(name), spec)["rows_per_s"]
    bare = bare_rate(spec, min(options.images, 1024))
    show({"encoder": spec, "extract_per_s": whole, "bare_loop_per_s": round(bare, 1), "ratio": round(whole / bare, 3)})


if __name__ == "__main__":
    main()
