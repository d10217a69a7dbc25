"""From a tower to a graph of fixed outputs and a fixed number of rows, which other runtimes can take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from pipeline.encoders.towers import PixelTower

__all__ = ["AsyncGraph", "Features", "Graph", "Pixels", "chunks", "traced"]

Pixels = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float32]


class Graph(Protocol):
    """A tower prepared for certain outputs."""

    def __call__(self, pixels: Pixels) -> list[Features]:
        """uint8 (B, S, S, 3), any B > 0 -> float32 (B, *row_shape) for each output, in the order of the outputs."""


@runtime_checkable
class AsyncGraph(Graph, Protocol):
    """A graph that can take a batch while it computes the last one."""

    def start(self, pixels: Pixels) -> Callable[[], list[Features]]:
        """Begin to encode a batch.

        Returns
        -------
        A call that waits for the features, which are those of `__call__`.
        """


class _SelectedOutputs(nn.Module):
    """A tower with selected outputs: tensors in, tensors out, as exporters require."""

    def __init__(self, tower: PixelTower, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.tower, self.outputs = tower, outputs

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        features = self.tower(pixels, self.outputs)
        return tuple(features[name] for name in self.outputs)


def traced(tower: PixelTower, outputs: tuple[str, ...], n_rows: int) -> ExportedProgram:
    """The tower as one graph: uint8 (n_rows, S, S, 3) -> a tensor for each output.

    Raises
    ------
    Exception
        Of any kind, if torch cannot follow this architecture.
    """
    pixels = torch.zeros(n_rows, tower.size, tower.size, 3, dtype=torch.uint8, device=tower.mean.device)
    with torch.no_grad():
        # strict would trace bytecode, which cannot follow the hooks that capture the activations
        return torch.export.export(_SelectedOutputs(tower, outputs), (pixels,), strict=False)


def chunks(pixels: Tensor, n_rows: int) -> Iterator[Tensor]:
    """The batch in chunks of exactly `n_rows`; the last one is padded with its last row."""
    for start in range(0, len(pixels), n_rows):
        chunk = pixels[start : start + n_rows]
        missing = n_rows - len(chunk)
        yield torch.cat([chunk, chunk[-1:].expand(missing, -1, -1, -1)]) if missing else chunk
