"""What every encoder offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.images.preprocess import Preprocess

__all__ = ["Encoder"]


class Encoder(Protocol):
    """A frozen model that turns faces, and perhaps sentences, into vectors. Nothing in it is ever trained.

    One caller at a time: no encoder may be used by two threads at once. None is pickled either: another process
    loads its own from the same name.
    """

    @property
    def identity(self) -> Mapping[str, Any]:
        """Plain JSON: family, architecture with its resolved config, activation, sha256 of the weights."""

    @property
    def note(self) -> str:
        """What must be said wherever a number of this encoder appears (a stand-in says so); else empty."""

    @property
    def saw(self) -> tuple[str, ...]:
        """Names of the dataset layouts whose train split it was trained on; empty where none is known.

        Its scores on such a dataset are not those of an encoder that meets it for the first time.
        """

    @property
    def preprocess(self) -> Preprocess:
        """How images must be prepared for it."""

    @property
    def row_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Output -> shape of a row: everything that the image tower can give, in canonical order.

        pooled : (D,), what the model gives for an image
        tokens : (T, W), the last sequence before it is pooled and projected: of a transformer what its pooling sees,
            class token included, normalised if the model normalises before it pools; of a convolutional network the
            last feature map, (H * W, C) row by row
        block-0 ... block-<L-1> : (T, W), what enters block K of a transformer; block-0 is the embedded patches, with
            their positions. Only where `tail` can go on from there.
        """

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
    def runtime(self) -> str:
        """What runs the image tower: `eager`, `compile` or `openvino <version>`.

        A fast runtime is tried on the first batch only, and may be given up there: read this after the last batch.
        Before the first one it says what will be tried.
        """

    @property
    def has_text(self) -> bool:
        """Whether there is a text tower."""

    @property
    def text_identity(self) -> Mapping[str, Any]:
        """Plain JSON: of what turns sentences into tokens, where `identity` does not say it; a digest.

        No part of `identity`: it changes text vectors and no image feature. Empty without a text tower.
        """

    def with_preprocess(self, preprocess: Preprocess) -> Encoder:
        """The same frozen model, fed otherwise than it was trained: a deviation that a caller chooses."""

    def with_runtime(self, wanted: str) -> Encoder:
        """The same frozen model, its image tower run by `wanted`, of `RUNTIMES`; EncoderError if it cannot be had."""

    def reference(self) -> Encoder:
        """The same frozen model on the same device, eager and wholly in float32: what others are measured against."""

    def encode_images(
        self, pixels: npt.NDArray[np.uint8], outputs: Sequence[str] = ("pooled",)
    ) -> dict[str, npt.NDArray[np.float32]]:
        """uint8 (B, S, S, 3), prepared -> output: float32 (B, *row_shape), raw: never normalised by us.

        One pass for all outputs. EncoderError if one of them is not in `row_shapes`.
        """

    def encode_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        """P sentences -> float32 (P, D_t), raw. EncoderError if there is no text tower."""
