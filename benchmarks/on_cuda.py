"""What there is to know on a CUDA device, in at most six minutes: tests, rates, where the time goes, features, heads.

Nothing is downloaded: towers have random weights, images are drawn. In order: the tests marked `gpu`; for each tower
the rate of a loop over batches that are ready (float16 and bfloat16 autocast, eager and compiled), that of the whole
extraction from files, its seconds by phase, and how far features are from those of float32 on the CPU; the seconds of
every light method. What does not fit into the time is listed as skipped. Exit code 1 if a test fails or a bound is
exceeded. `--device cpu --quick` runs the same code without a GPU.

A file called `cuda.py` in this folder would hide NVIDIA's package `cuda` from torch, in every script here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import open_clip
import torch
from extract import extracted
from faces import write_faces
from machine import show

from pipeline.cores import n_cores
from pipeline.datasets.roots import open_root
from pipeline.encoders.families.open_clip_tower import open_clip_tower
from pipeline.encoders.parity import parity
from pipeline.encoders.runtimes.graphs import traced
from pipeline.encoders.torch_encoder import TorchEncoder, resolve_device
from pipeline.encoders.towers import PixelTower
from pipeline.extraction import Extraction, outputs_of
from pipeline.heap import keep_freed_memory
from pipeline.images.prepare import Preparer
from pipeline.images.preprocess import Preprocess
from pipeline.images.transform import ImageTransform
from pipeline.learning.method import TrainingInputs
from pipeline.methods import METHODS, config_class, load_method

TESTS = Path(__file__).parents[1] / "tests"
TOWERS = ("ViT-B-32", "ViT-B-16", "ViT-L-14")
RUNTIMES = ("eager", "compile")
SMALLEST_COSINE = {"float32": 0.99999, "amp-float16": 0.9995, "amp-bfloat16": 0.99}  # to float32 on the CPU
N_COMPARED = 8  # images
N_EPOCHS = 3  # of each light method
TEST_LIMIT_S = 180
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

Pixels = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float32]
Step = Callable[[Pixels], Features]


class Budget:
    """Seconds that are left, and what did not fit into them."""

    def __init__(self, limit_s: float) -> None:
        self.end = time.perf_counter() + limit_s
        self.skipped: list[str] = []

    def allows(self, name: str, least_s: float) -> bool:
        if time.perf_counter() + least_s <= self.end:
            return True
        self.skipped.append(name)
        return False


def gpu_tests() -> dict[str, Any]:
    """pytest over the files that have a test marked `gpu`."""
    files = [str(path) for path in TESTS.rglob("test_*.py") if "mark.gpu" in path.read_text(encoding="utf-8")]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "gpu", "-p", "no:cacheprovider", *files]
    try:
        done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, timeout=TEST_LIMIT_S)
    except subprocess.TimeoutExpired:
        return {"passed": False, "summary": f"not finished after {TEST_LIMIT_S} s"}
    lines = (done.stdout + done.stderr).strip().splitlines()
    passed = done.returncode == 0
    return {"passed": passed, "summary": lines[-1] if lines else ""} | ({} if passed else {"output": lines[-60:]})


def random_tower(name: str, device: str) -> TorchEncoder:
    """An open_clip image tower with random weights; those of its text tower are not made."""
    config = open_clip.get_model_config(name)
    text = config["text_cfg"] | {"width": 64, "heads": 1, "layers": 1, "vocab_size": 64}
    torch.manual_seed(0)
    visual: Any = open_clip.CLIP(config["embed_dim"], config["vision_cfg"], text).visual
    visual.eval().requires_grad_(False).to(device)
    preprocess = Preprocess(config["vision_cfg"]["image_size"], mean=MEAN, std=STD)
    identity = {"family": "open_clip", "architecture": name}
    return TorchEncoder(identity, preprocess, open_clip_tower(visual), torch.device(device))


def bfloat16_step(encoder: TorchEncoder, runtime: str, batch_size: int) -> Step:
    """As `encode_images` of a whole batch, which computes in float16 there; the package itself offers no bfloat16."""
    device = encoder.torch_device
    module: Any = traced(PixelTower(encoder.tower, encoder.preprocess, device), ("pooled",), batch_size).module()
    if runtime == "compile":
        module = torch.compile(module, fullgraph=True, dynamic=False)

    def step(pixels: Pixels) -> Features:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            features: Features = module(torch.as_tensor(pixels).to(device))[0].float().cpu().numpy()
        return features

    return step


def rate(step: Step, pixels: Pixels, seconds: float) -> float:
    """Images a second, after a batch to compile and choose kernels."""
    step(pixels)
    start = time.perf_counter()
    n = 0
    while n == 0 or time.perf_counter() - start < seconds:
        step(pixels)
        n += len(pixels)
    return n / (time.perf_counter() - start)


def extraction(encoder: TorchEncoder, folder: Path, n: int, options: argparse.Namespace) -> dict[str, Any]:
    """Images a second from files to features, and the seconds of each phase (those of decoders are summed)."""
    images = write_faces(folder, min(n, 2048), n, 100)
    transform = ImageTransform(encoder.preprocess, (encoder.preprocess.size,))
    outputs = outputs_of(encoder, ["pooled"], "float16", 0)
    with (
        open_root(folder) as root,
        Extraction(encoder, Preparer(root, transform), outputs, 1, options.batch_size, options.decoders) as run,
    ):
        extracted(run, images[: options.batch_size])  # compile, choose kernels
        before, start = asdict(run.timings), time.perf_counter()
        extracted(run, images)
        wall = time.perf_counter() - start
        phases = {phase: round(spent - before[phase], 2) for phase, spent in asdict(run.timings).items()}
    return {"images_per_s": round(n / wall, 1), "wall_s": round(wall, 2), "phases_s": phases}


def compared(
    encoder: TorchEncoder, reference: TorchEncoder, runtime: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Of one tower under one runtime: rates of both precisions, the extraction, and how far features are off."""
    chosen, size = encoder.with_runtime(runtime), encoder.preprocess.size
    pixels = np.random.default_rng(0).integers(0, 256, (options.batch_size, size, size, 3), np.uint8)
    expected = reference.encode_images(pixels[:N_COMPARED])["pooled"]
    steps: dict[str, Step] = {
        chosen.precision: lambda batch: chosen.encode_images(batch)["pooled"],
        "amp-bfloat16": bfloat16_step(encoder, runtime, options.batch_size),
    }
    result: dict[str, Any] = {}
    for precision, step in steps.items():
        result[precision] = {"images_per_s": round(rate(step, pixels, options.seconds), 1)}
        measured = parity(step(pixels)[:N_COMPARED], expected)
        result[precision] |= {"smallest_cosine": measured.cosine, "relative_difference": measured.relative}
        result[precision]["within_bound"] = measured.cosine >= SMALLEST_COSINE[precision]
    ready = result[chosen.precision]["images_per_s"]
    n = max(2 * options.batch_size, int(ready * options.seconds) // options.batch_size * options.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        result["extraction"] = extraction(chosen, Path(folder), n, options)
    result["extraction"] |= {"share_of_ready_loop": round(result["extraction"]["images_per_s"] / ready, 3)}
    return result | {"ran": chosen.runtime}


def towers(options: argparse.Namespace, budget: Budget) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for name in options.towers:
        if not budget.allows(name, 20):
            continue
        encoder, reference = random_tower(name, options.device), random_tower(name, "cpu").reference()
        for runtime in options.runtimes:
            if budget.allows(f"{name} {runtime}", 60 if runtime == "compile" else 15):
                results[f"{name} {runtime}"] = compared(encoder, reference, runtime, options)
                print(name, runtime, json.dumps(results[f"{name} {runtime}"]), file=sys.stderr, flush=True)
    return results


def light_methods(options: argparse.Namespace, budget: Budget) -> dict[str, Any]:
    """Seconds of every method that trains on frozen features, for a few epochs, and its accuracy on the same rows."""
    sys.path.insert(0, str(TESTS / "pipeline"))
    sys.path.insert(0, str(TESTS / "pipeline" / "methods"))
    from memory_source import separable_source, text_for
    from overfit import OVERFIT
    from tiny_encoder import tiny_encoder

    source = separable_source(n=options.rows)
    text, encoder = text_for(source.classes), tiny_encoder(options.device)
    inputs = TrainingInputs(source, source.classes, text, encoder, options.device)
    results: dict[str, Any] = {}
    for name in METHODS:
        fields = config_class(name).model_fields
        few = {field: value for field, value in {"epochs": N_EPOCHS, "batch_size": 64}.items() if field in fields}
        config = config_class(name)(**OVERFIT[name] | few)
        if not {"pixels", "frames"}.isdisjoint(config.reads) or not budget.allows(name, 5):
            continue
        start = time.perf_counter()
        fitted = load_method(name).fit(inputs, config, 0)
        results[name] = {"seconds": round(time.perf_counter() - start, 2), "accuracy": round(fitted.val.accuracy, 4)}
    return results


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--quick", action="store_true", help=f"{TOWERS[0]}, eager, small batches and few rows")
    parser.add_argument("--limit-s", type=float, default=330, help="after which nothing else is begun")
    parser.add_argument("--out", type=Path, default=Path("cuda.json"), help="the JSON is written there, too")
    options = parser.parse_args()
    quick = options.quick
    options.towers, options.runtimes = (TOWERS[:1], RUNTIMES[:1]) if quick else (TOWERS, RUNTIMES)
    options.batch_size, options.seconds, options.rows = (8, 1.0, 64) if quick else (256, 4.0, 1024)
    options.decoders = n_cores()
    return options


def main() -> None:
    options = parsed()
    device = resolve_device(options.device)
    if device.type == "cpu":
        keep_freed_memory()
    budget = Budget(options.limit_s)
    tests = gpu_tests() if budget.allows("tests", TEST_LIMIT_S) else {"passed": True, "summary": "skipped"}
    print(tests["summary"], file=sys.stderr, flush=True)
    rates, heads = towers(options, budget), light_methods(options, budget)
    result = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "batch_size": options.batch_size,
        "decoders": options.decoders,
        "tests": tests,
        "towers": rates,
        "light_methods": heads,
        "skipped": budget.skipped,
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    show(result)
    bounds = [
        part["within_bound"]
        for tower in rates.values()
        for part in tower.values()
        if isinstance(part, dict) and "within_bound" in part
    ]
    sys.exit(0 if tests["passed"] and all(bounds) else 1)


if __name__ == "__main__":
    main()
