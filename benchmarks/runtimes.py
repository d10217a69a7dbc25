"""The runtimes of one encoder's image tower, in turns over the same batch: rates, and how far from eager PyTorch."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from extract import RANDOM_VIT, write_random_vit
from faces import face
from machine import show

from pipeline.encoders import RUNTIMES, EncoderSpec, ImageEncoder, load_image_encoder
from pipeline.encoders.parity import parity
from pipeline.images.decode import decode

Pixels = npt.NDArray[np.uint8]


def batch(encoder: ImageEncoder, n: int) -> Pixels:
    """`n` faces, prepared for `encoder`."""
    return np.stack([encoder.preprocess(decode(face(100, seed=seed))) for seed in range(n)])


def seconds(encoder: ImageEncoder, pixels: Pixels) -> float:
    start = time.perf_counter()
    encoder.encode_images(pixels)
    return time.perf_counter() - start


def compared(encoders: dict[str, ImageEncoder], n: int, turns: int) -> dict[str, Any]:
    """Runtime -> its figures. `ratio` is the median over the turns of eager's seconds to its own in the same turn."""
    eager = encoders["eager"]
    pixels = batch(eager, n)
    expected = eager.encode_images(pixels)["pooled"]
    first = {name: seconds(encoder, pixels) for name, encoder in encoders.items()}
    spent = [{name: seconds(encoder, pixels) for name, encoder in encoders.items()} for _ in range(turns)]
    figures = {}
    for name, encoder in encoders.items():
        measured = parity(encoder.encode_images(pixels)["pooled"], expected)
        figures[name] = {
            "ran": encoder.runtime,
            "first_batch_s": round(first[name], 2),
            "images_per_s": round(n / statistics.median(turn[name] for turn in spent), 1),
            "ratio": round(statistics.median(turn["eager"] / turn[name] for turn in spent), 2),
            "smallest_cosine": measured.cosine,
            "largest_difference": measured.difference,
        }
    return figures | {"largest_value": round(float(np.abs(expected).max()), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--encoder", default="untrained", help=f"a name, or random for {RANDOM_VIT} with such weights")
    parser.add_argument("--runtimes", nargs="+", choices=RUNTIMES[1:], default=RUNTIMES[1:])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        spec = write_random_vit(Path(name, "vit")) if options.encoder == "random" else options.encoder
        names = dict.fromkeys(["eager", *options.runtimes])
        encoders = {runtime: load_image_encoder(EncoderSpec.parse(spec), "cpu", runtime) for runtime in names}
    figures = compared(encoders, options.batch_size, options.turns)
    show({"encoder": options.encoder, "batch_size": options.batch_size} | figures)


if __name__ == "__main__":
    main()
