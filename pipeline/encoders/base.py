"""What every encoder offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.preprocess import Preprocess

__all__ = ["Encoder"]


class Encoder(Protocol):
    """A frozen model that turns faces, and perhaps sentences, into vectors. Nothing in it is ever trained."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Plain JSON: family, architecture with its resolved config, activation, sha256 of the weights."""

    @property
    def note(self) -> str:
        """What must be said wherever a number of this encoder appears (a stand-in says so); else empty."""

    @property
    def preprocess(self) -> Preprocess:
        """How images must be prepared for it."""

    @property
    def width(self) -> int:
        """D of the pooled feature."""

    @property
    def precision(self) -> str:
        """Of the computation: `float32`, or `amp-float16` under CUDA autocast."""

    @property
    def device(self) -> str:
        """`cpu` or `cuda:0`."""

    @property
    def has_text(self) -> bool:
        """Whether there is a text tower."""

    def with_preprocess(self, preprocess: Preprocess) -> Encoder:
        """The same frozen model, fed otherwise than it was trained: a deviation that a caller chooses."""

    def encode_images(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """uint8 (B, S, S, 3), prepared -> float32 (B, D), raw: never normalised."""

    def encode_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        """P sentences -> float32 (P, D_t), raw. EncoderError if there is no text tower."""
