"""Eager PyTorch: the runtime that every other one is measured against."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np
import torch
from torch import Tensor

from pipeline.encoders.arithmetic import float32_arithmetic
from pipeline.encoders.runtimes.graphs import Features, Pixels
from pipeline.encoders.runtimes.pieces import PieceThreads, pieces_of
from pipeline.encoders.towers import PixelTower

__all__ = ["Eager", "inference", "to_numpy"]


class Eager:
    """Runs a tower as it is written.

    Parameters
    ----------
    half : whether CUDA may compute in float16 where autocast holds that to be safe
    """

    name = "eager"

    def __init__(self, tower: PixelTower, device: torch.device, half: bool) -> None:
        self._tower, self._device, self._half = tower, device, half
        self._threads = PieceThreads()

    def __call__(self, pixels: Pixels, outputs: Sequence[str]) -> dict[str, Features]:
        """uint8 (B, S, S, 3) -> output: float32 (B, *row_shape)."""
        if result := self.start(pixels, outputs):
            return result()
        pieces = pieces_of(pixels) if self._in_pieces(outputs) else [pixels]
        return _joined([self._encode(piece, outputs) for piece in pieces], outputs)

    def start(self, pixels: Pixels, outputs: Sequence[str]) -> Callable[[], dict[str, Features]] | None:
        """Begin `__call__`, whose result the returned call waits for; None if it is not divided between threads."""
        if not self._in_pieces(outputs):
            return None
        parts = self._threads.start(partial(self._encode, outputs=outputs), pieces_of(pixels))
        return parts and (lambda: _joined(parts(), outputs))

    def _in_pieces(self, outputs: Sequence[str]) -> bool:
        return self._device.type == "cpu" and self._tower.tower.is_reentrant(outputs)

    def _encode(self, pixels: Pixels, outputs: Sequence[str]) -> dict[str, Features]:
        with inference(self._device, self._half):
            features = self._tower(torch.as_tensor(pixels).to(self._device, non_blocking=True), outputs)
            return {name: to_numpy(features[name]) for name in outputs}


def _joined(parts: Sequence[dict[str, Features]], outputs: Sequence[str]) -> dict[str, Features]:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in outputs}


@contextmanager
def inference(device: torch.device, half: bool) -> Iterator[None]:
    """No gradients; float16 autocast on CUDA if `half`, else float32 without shortcuts.

    Whatever torch was set to outside does not matter: see `pipeline.encoders.arithmetic`.
    """
    on_cuda = device.type == "cuda"
    # cuDNN's convolutions round to TensorFloat-32 by default; without cuDNN they stay in float32.
    exact = torch.backends.cudnn.flags(enabled=False) if on_cuda and not half else nullcontext()
    half_precision = torch.autocast(device.type, torch.float16, enabled=on_cuda and half)
    with torch.inference_mode(), float32_arithmetic(), half_precision, exact:
        yield


def to_numpy(values: Tensor) -> Features:
    return values.float().cpu().numpy()
