"""From the name of a runtime to what runs a tower."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch

from pipeline.encoders.runtimes.checked import Checked
from pipeline.encoders.runtimes.compiled_graph import CompiledGraph
from pipeline.encoders.runtimes.eager import Eager
from pipeline.encoders.runtimes.graphs import Features, Pixels
from pipeline.encoders.runtimes.openvino_graph import OpenVINOGraph, openvino_name
from pipeline.encoders.towers import PixelTower

__all__ = ["Runtime", "runtime_of"]


class Runtime(Protocol):
    """Runs an image tower."""

    @property
    def name(self) -> str:
        """See `ImageEncoder.runtime`."""

    def __call__(self, pixels: Pixels, outputs: Sequence[str]) -> dict[str, Features]:
        """uint8 (B, S, S, 3) -> output: float32 (B, *row_shape)."""

    def start(self, pixels: Pixels, outputs: Sequence[str]) -> Callable[[], dict[str, Features]] | None:
        """Begin `__call__`, whose result the returned call waits for; None if it cannot now."""


def runtime_of(name: str, tower: PixelTower, device: torch.device, half: bool) -> Runtime:
    """The runtime called `name`: eager, compile or openvino. What is not eager is checked on its first batch."""
    eager = Eager(tower, device, half)
    if name == "compile":
        return Checked(name, partial(CompiledGraph, tower, half=half), eager)
    if name == "openvino":
        return Checked(openvino_name(), lambda outputs, _n_rows: OpenVINOGraph(tower, outputs), eager)
    return eager
