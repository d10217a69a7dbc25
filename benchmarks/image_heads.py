"""A training step of each image head on one thread: CPU time, images a second, and the share of the core's peak."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from machine import show
from torch.utils.flop_counter import FlopCounterMode

from pipeline.learning.method import TrainingInputs
from pipeline.methods import config_class, load_method
from pipeline.tables.labels import expressions

CLASSES = expressions(7)
ROWS = {"train": 840, "val": 180}  # as in a drawn sample
SHAPES: dict[str, tuple[int, ...]] = {"pooled": (512,), "pixels": (64, 64, 3)}
CASES = [
    (method, {"backbone": backbone})
    for backbone in ("small", "resnet18")
    for method in ("baseline", "cafe", "eac", "rul", "scn")
]


@dataclass(frozen=True)
class RandomFaces:
    """A FeatureSource of random features and pixels."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    dataset: str = "random"
    key: str = "random"
    encoder: dict[str, Any] = field(default_factory=dict)

    def row_shape(self, output: str = "pooled") -> tuple[int, ...]:
        return SHAPES[output]

    def labels(self, split: str) -> npt.NDArray[np.str_]:
        return np.array([CLASSES[i % len(CLASSES)] for i in range(ROWS[split])])

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        return np.arange(ROWS[split]).astype(np.str_)

    def features(self, split: str, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        shape = (ROWS[split], *SHAPES[output])
        if output == "pixels":
            return self.rng.integers(256, size=shape, dtype=np.uint8)
        return self.rng.normal(size=shape).astype(np.float16)

    def n_views(self) -> int:
        return 1

    def rejected(self, split: str) -> int:
        return 0


def cpu_s(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def peak_gflops() -> float:
    """Of one core: a convolution large enough for its units and small enough for its caches, the best of 20."""
    images = torch.randn(32, 64, 32, 32).to(memory_format=torch.channels_last)
    weight = torch.randn(64, 64, 3, 3).to(memory_format=torch.channels_last)
    with torch.no_grad():
        seconds = min(cpu_s(lambda: torch.conv2d(images, weight, padding=1)) for _ in range(20))
    return 2 * images.numel() * 64 * 9 / seconds / 1e9


def step_of(method: str, options: dict[str, Any], turns: int, peak: float) -> dict[str, float]:
    """What another epoch takes, by the step: validation included, reading and building excluded."""
    config_of = config_class(method)

    def fit(epochs: int) -> None:
        config = config_of.model_validate(options | {"epochs": epochs})
        load_method(method).fit(TrainingInputs(RandomFaces(), CLASSES), config, seed=0)

    def flops(epochs: int) -> int:
        with FlopCounterMode(display=False) as counter:
            fit(epochs)
        return counter.get_total_flops()

    batch_size: int = config_of.model_fields["batch_size"].default
    n_steps = -(-ROWS["train"] // batch_size)
    gflop = (flops(2) - flops(1)) / n_steps / 1e9
    once, twice = (min(cpu_s(lambda n=n: fit(n)) for _ in range(turns)) for n in (1, 2))
    ms = (twice - once) / n_steps * 1e3
    return {
        "rows": batch_size,
        "ms a step": round(ms, 2),
        "images/s": round(ROWS["train"] / (twice - once)),
        "gflop a step": round(gflop, 2),
        "share of peak": round(gflop / ms * 1e3 / peak, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--backbone", choices=["small", "resnet18"], help="Only this one.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    peak = peak_gflops()
    cases = [case for case in CASES if options.backbone in (None, case[1]["backbone"])]
    steps = {f"{method}, {own['backbone']}": step_of(method, own, options.turns, peak) for method, own in cases}
    show(
        {"what": "a training step at 64 px, CPU time of one thread", "peak of the core, gflop/s": round(peak), **steps}
    )


if __name__ == "__main__":
    main()
