"""FakeEncoder: a fixed projection of pixel means. Deterministic, weight-free; a row never feels its batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import EncoderError
from pipeline.images.preprocess import Preprocess

__all__ = ["FakeEncoder"]

WIDTH = 5
_PROJECTION = np.arange(1, 3 * WIDTH + 1, dtype=np.float32).reshape(3, WIDTH) / 100
_SHAPES = MappingProxyType({"pooled": (WIDTH,), "tokens": (4, 3), "block-0": (4, 3), "block-1": (4, 3)})


@dataclass
class FakeEncoder:
    """An encoder of images and texts; `batches` holds the size of every batch it was given, `gain` scales its features.

    Its tokens are the channel means of the four quarters of a picture; block-K has them K+2 times as large.
    """

    preprocess: Preprocess = field(default_factory=lambda: Preprocess(size=16))
    gain: float = 1.0
    width: int = WIDTH
    row_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: _SHAPES)
    note: str = "fake"
    trained_on: tuple[str, ...] = ()
    precision: str = "float32"
    device: str = "cpu"
    runtime: str = "eager"
    batches: list[int] = field(default_factory=list)

    @property
    def identity(self) -> dict[str, Any]:
        return {"family": "fake", "architecture": "projection", "weights": "none", "gain": self.gain}

    @property
    def text_identity(self) -> dict[str, Any]:
        return {}

    def with_preprocess(self, preprocess: Preprocess) -> FakeEncoder:
        return replace(self, preprocess=preprocess)

    def with_runtime(self, runtime: str) -> FakeEncoder:
        return replace(self, runtime=runtime)

    def reference(self) -> FakeEncoder:
        return replace(self, batches=[])

    def encode_images(
        self, pixels: npt.NDArray[np.uint8], outputs: Sequence[str] = ("pooled",)
    ) -> dict[str, npt.NDArray[np.float32]]:
        self.batches.append(len(pixels))
        if unknown := set(outputs) - set(self.row_shapes):
            raise EncoderError(f"the fake encoder has no {', '.join(sorted(unknown))}")
        return {name: self._pooled(pixels) if name == "pooled" else self._tokens(pixels, name) for name in outputs}

    def encode_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.array([[len(prompt), prompt.count("a")] for prompt in prompts], np.float32)

    def _pooled(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        # A sum of products by hand: a matrix product may round a row differently in another batch.
        return (_means(pixels)[:, :, None] * _PROJECTION).sum(axis=1) * np.float32(self.gain)

    def _tokens(self, pixels: npt.NDArray[np.uint8], name: str) -> npt.NDArray[np.float32]:
        half = pixels.shape[1] // 2
        quarters = [_means(pixels[:, y : y + half, x : x + half]) for y in (0, half) for x in (0, half)]
        factor = 1 if name == "tokens" else int(name.removeprefix("block-")) + 2
        return np.stack(quarters, axis=1) * np.float32(factor * self.gain)


def _means(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """uint8 (B, S, S, 3) -> float32 (B, 3)."""
    return pixels.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
