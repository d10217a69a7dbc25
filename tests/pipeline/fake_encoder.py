"""FakeEncoder: a fixed projection of pixel means. Deterministic, weight-free; a row never feels its batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.preprocess import Preprocess

__all__ = ["FakeEncoder"]

WIDTH = 5
_PROJECTION = np.arange(1, 3 * WIDTH + 1, dtype=np.float32).reshape(3, WIDTH) / 100


@dataclass
class FakeEncoder:
    """An `Encoder`; `batches` remembers the size of every batch it was given, `gain` scales its features."""

    preprocess: Preprocess = field(default_factory=lambda: Preprocess(size=16))
    gain: float = 1.0
    width: int = WIDTH
    note: str = "fake"
    precision: str = "float32"
    device: str = "cpu"
    has_text: bool = True
    batches: list[int] = field(default_factory=list)

    @property
    def identity(self) -> dict[str, Any]:
        return {"family": "fake", "gain": self.gain}

    def with_preprocess(self, preprocess: Preprocess) -> FakeEncoder:
        return replace(self, preprocess=preprocess)

    def encode_images(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self.batches.append(len(pixels))
        means = pixels.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)  # (B, S, S, 3) -> (B, 3)
        # A sum of products by hand: a matrix product may round a row differently in another batch.
        return (means[:, :, None] * _PROJECTION).sum(axis=1) * np.float32(self.gain)

    def encode_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.array([[len(prompt), prompt.count("a")] for prompt in prompts], np.float32)
