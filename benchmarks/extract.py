"""Extraction against a bare loop of the same encoder over batches that are decoded already, in turns.

Both run their encoder in a thread of its own. The encoder and the decode threads share the cores of a machine without
a GPU, so not all of the bare loop's rate can be had: `bound` is what the CPU time of both leaves of it. `ratio` is of
images/s; `cpu_ratio`, of images per CPU-second, is the one to trust where others work on the same machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from faces import write_faces
from machine import show

from pipeline.cores import n_cores
from pipeline.datasets.roots import open_root
from pipeline.encoders import RUNTIMES, EncoderSpec, ImageEncoder, load_image_encoder
from pipeline.extraction import Extraction, Shard, empty_blocks, outputs_of
from pipeline.images.prepare import Preparer
from pipeline.images.reading import ImageRow
from pipeline.images.transform import ImageTransform
from pipeline.progress import silent

BATCH, SHARD, TURNS, N_FILES = 64, 256, 8, 1024
RANDOM_VIT = "ViT-B-32"


@dataclass(frozen=True)
class Cost:
    """Of one image, in milliseconds."""

    wall_ms: float
    cpu_ms: float


def cost(work: Callable[[], int]) -> Cost:
    """Of each of the images that `work` says it has done; CPU time is that of all threads of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    n = work()
    return Cost(1e3 * (time.perf_counter() - wall) / n, 1e3 * (time.process_time() - cpu) / n)


def bare(encoder: ImageEncoder, seconds: float) -> int:
    """The encoder alone, for at least `seconds`."""
    size = encoder.preprocess.size
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 3), np.uint8)
    end, n = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        encoder.encode_images(pixels)
        n += BATCH
    return n


def shards(images: Sequence[ImageRow], extraction: Extraction) -> Iterator[Shard]:
    for number, start in enumerate(range(0, len(images), SHARD)):
        rows = range(start, min(start + SHARD, len(images)))
        blocks = empty_blocks(extraction.outputs, extraction.n_views, len(rows))
        yield Shard(number, rows, tuple(images[start : rows.stop]), blocks)


def extracted(extraction: Extraction, images: Sequence[ImageRow]) -> int:
    """From the start to the last shard."""
    for _ in extraction.run(shards(images, extraction), len(images), silent):
        pass
    return len(images)


def prepared(preparer: Preparer, images: Sequence[ImageRow]) -> int:
    """Made ready for the encoder, in this thread."""
    preparer(images)
    return len(images)


def compared(encoder: ImageEncoder, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Both in turns, and where the time of the extraction went."""
    bare(encoder, 1)  # warm up: compile, choose kernels
    turn_s = options.seconds / TURNS
    per_turn = max(SHARD, round(1e3 * turn_s / cost(partial(bare, encoder, 3)).wall_ms))
    images = write_faces(folder, min(per_turn, N_FILES), per_turn, options.side, options.kind)
    outputs = outputs_of(encoder, ["pooled"], "float16", 0)
    alone, whole, ready = list[Cost](), list[Cost](), list[Cost]()
    with open_root(folder) as root, ThreadPoolExecutor(1) as thread:
        preparer = Preparer(root, ImageTransform(encoder.preprocess, (encoder.preprocess.size,)))
        with Extraction(encoder, preparer, outputs, 1, BATCH, options.decoders) as extraction:
            for _ in range(TURNS):
                alone.append(cost(lambda: thread.submit(bare, encoder, turn_s).result()))
                whole.append(cost(lambda: extracted(extraction, images)))
                ready.append(cost(lambda: prepared(preparer, images[:SHARD])))
    cpu_alone, cpu_ready = (median(cost.cpu_ms for cost in costs) for costs in (alone, ready))
    return {
        "bare_per_s": round(1e3 / median(cost.wall_ms for cost in alone), 1),
        "extraction_per_s": round(1e3 / median(cost.wall_ms for cost in whole), 1),
        "ratio": round(median(a.wall_ms / w.wall_ms for a, w in zip(alone, whole, strict=True)), 3),
        "cpu_ratio": round(median(a.cpu_ms / w.cpu_ms for a, w in zip(alone, whole, strict=True)), 3),
        "bound": round(cpu_alone / (cpu_alone + cpu_ready), 3),
        "encode_cpu_ms": round(cpu_alone, 3),
        "prepare_cpu_ms": round(cpu_ready, 3),
        "seconds": {phase: round(spent, 2) for phase, spent in asdict(extraction.timings).items()},
        "images_a_turn": per_turn,
        "runtime": encoder.runtime,
    }


def command(folder: Path, spec: str, options: argparse.Namespace) -> dict[str, Any]:
    """The whole command over the same faces, from an empty folder to a finished store."""
    args = ["extract", "--dataset", "faces", "--layout", "folder", "--root", "faces", "--encoder", spec, "--quiet"]
    args += ["--runtime", options.runtime, "--decoders", str(options.decoders), "--format", "json"]
    start = time.perf_counter()
    run = [sys.executable, "-c", "from stages.cli import main; main()", *args]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=True)
    print(done.stderr, file=sys.stderr)
    summary = json.loads(done.stdout)
    return {
        "rows": summary["rows"],
        "rows_per_s": summary["rows_per_s"],
        "whole_command_s": round(time.perf_counter() - start, 2),
    }


def write_random_vit(folder: Path) -> str:
    """ViT-B-32 with random weights, as a local folder; its name as an encoder."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model(RANDOM_VIT)
    folder.mkdir()
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    config = {"model_cfg": open_clip.get_model_config(RANDOM_VIT), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return f"open_clip:{RANDOM_VIT}@{folder}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--encoder", default="untrained", help=f"a name, or random for {RANDOM_VIT} with such weights")
    parser.add_argument("--runtime", choices=RUNTIMES, default="auto")
    parser.add_argument("--side", type=int, default=100, help="of a face, pixels")
    parser.add_argument("--kind", choices=["JPEG", "PNG"], default="JPEG")
    parser.add_argument("--decoders", type=int, default=n_cores())
    parser.add_argument("--seconds", type=float, default=24, help="of work for either side")
    parser.add_argument("--command", action="store_true", help="run the whole command over the faces, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        spec = write_random_vit(Path(name, "vit")) if options.encoder == "random" else options.encoder
        encoder = load_image_encoder(EncoderSpec.parse(spec), "auto", options.runtime)
        result = compared(encoder, Path(name, "faces"), options)
        if options.command:
            result["command"] = command(Path(name), spec, options)
    show({"encoder": options.encoder, "faces": f"{options.kind} {options.side} px"} | result)


if __name__ == "__main__":
    main()
