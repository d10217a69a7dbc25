"""`torch.compile` of the image tower."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.encoders.runtimes.eager import inference, to_numpy
from pipeline.encoders.runtimes.graphs import Features, Pixels, chunks, traced
from pipeline.encoders.towers import PixelTower

__all__ = ["CompiledGraph"]


class CompiledGraph:
    """One compiled graph; the first call compiles it, which takes up to a minute.

    Parameters
    ----------
    n_rows : of every call of the graph: another number would be compiled again
    half : see `eager.inference`
    backend : of torch.compile

    Notes
    -----
    What is compiled is the traced graph and not the model: `torch.compile(model)` does nothing for callers that reach
    the model by another method than `forward`, and stops at every hook.
    """

    def __init__(
        self,
        tower: PixelTower,
        outputs: tuple[str, ...],
        n_rows: int,
        half: bool,
        backend: str | Callable[..., Any] = "inductor",
    ) -> None:
        self._n_rows, self._half, self._device = n_rows, half, tower.mean.device
        module = traced(tower, outputs, n_rows).module()
        self._run = torch.compile(module, fullgraph=True, dynamic=False, backend=backend)

    def __call__(self, pixels: Pixels) -> list[Features]:
        batch = torch.as_tensor(pixels).to(self._device, non_blocking=True)
        encoded = [self._encode(chunk) for chunk in chunks(batch, self._n_rows)]
        return [np.concatenate(rows)[: len(pixels)] for rows in zip(*encoded, strict=True)]

    def _encode(self, chunk: Tensor) -> list[Features]:
        with inference(self._device, self._half):
            return [to_numpy(values) for values in self._run(chunk)]
