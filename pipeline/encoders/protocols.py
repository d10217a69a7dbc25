"""What encoders offer: of images, of texts, or of both. Code that needs one of them requires it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from pipeline.errors import EncoderError
from pipeline.images.preprocess import Preprocess

__all__ = [
    "AsyncImageEncoder",
    "Encoder",
    "ImageEncoder",
    "TextEncoder",
    "encoder_name",
    "encodes_images",
    "encodes_text",
    "require_image_encoder",
    "require_text_encoder",
    "starts_images",
]


class Encoder(Protocol):
    """A frozen model: an `ImageEncoder`, a `TextEncoder`, or both. Nothing in it is ever trained.

    One caller at a time: no encoder may be used by two threads at once. None is pickled either: another process
    loads its own from the same name.
    """

    @property
    def identity(self) -> Mapping[str, Any]:
        """Plain JSON: family, architecture with its resolved config, activation, sha256 of the weights."""

    @property
    def note(self) -> str:
        """What must be stated wherever a number of this encoder appears, as of a stand-in; else empty."""

    @property
    def trained_on(self) -> tuple[str, ...]:
        """Names of the dataset layouts whose train split it was trained on; empty where none is known.

        Its scores on such a dataset are not those of an encoder that meets it for the first time.
        """

    @property
    def precision(self) -> str:
        """Of the computation: `float32`, or `amp-float16` under CUDA autocast."""

    @property
    def device(self) -> str:
        """`cpu` or `cuda:0`."""


class ImageEncoder(Encoder, Protocol):
    """Turns pictures of faces into vectors."""

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
            their positions. Only where `TorchEncoder.tail` can continue from there.
        """

    @property
    def width(self) -> int:
        """D of the pooled feature."""

    @property
    def runtime(self) -> str:
        """What runs the image tower: `eager`, `compile` or `openvino <version>`.

        A fast runtime is tried on the first batch only, and may be given up there: read this after the last batch.
        Before the first one it is what will be tried.
        """

    def with_preprocess(self, preprocess: Preprocess) -> ImageEncoder:
        """The same frozen model, fed otherwise than it was trained: a deviation that a caller chooses."""

    def with_runtime(self, runtime: str) -> ImageEncoder:
        """The same frozen model, its image tower run by one of `RUNTIMES`; EncoderError if it is not available."""

    def reference(self) -> ImageEncoder:
        """The same frozen model on the same device, eager and wholly in float32: what others are measured against."""

    def encode_images(
        self, pixels: npt.NDArray[np.uint8], outputs: Sequence[str] = ("pooled",)
    ) -> dict[str, npt.NDArray[np.float32]]:
        """uint8 (B, S, S, 3), prepared -> output: float32 (B, *row_shape), raw: never normalised by us.

        One pass for all outputs. EncoderError if one of them is not in `row_shapes`.
        """


class AsyncImageEncoder(ImageEncoder, Protocol):
    """One that can take a batch while it computes the last one, which an extraction makes use of."""

    def start_images(
        self, pixels: npt.NDArray[np.uint8], outputs: Sequence[str] = ("pooled",)
    ) -> Callable[[], dict[str, npt.NDArray[np.float32]]] | None:
        """Begin `encode_images`.

        Returns
        -------
        A call that waits for the features; None if it cannot now, and `encode_images` has to be called.
        """


class TextEncoder(Encoder, Protocol):
    """Turns sentences into vectors."""

    @property
    def text_identity(self) -> Mapping[str, Any]:
        """Plain JSON: of what turns sentences into tokens, where `identity` does not include it; a digest.

        No part of `identity`: it changes text vectors and no image feature.
        """

    def encode_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        """P sentences -> float32 (P, D_t), raw."""


def encodes_images(encoder: Encoder) -> TypeGuard[ImageEncoder]:
    """Whether it is an `ImageEncoder`. Only the method is looked at: properties may compute."""
    return hasattr(encoder, "encode_images")


def starts_images(encoder: ImageEncoder) -> TypeGuard[AsyncImageEncoder]:
    """Whether it is an `AsyncImageEncoder`. Only the method is looked at."""
    return hasattr(encoder, "start_images")


def encodes_text(encoder: Encoder) -> TypeGuard[TextEncoder]:
    """Whether it is a `TextEncoder`."""
    return hasattr(encoder, "encode_text")


def require_image_encoder(encoder: Encoder) -> ImageEncoder:
    """The encoder, for a caller that has images; EncoderError if it reads sentences only."""
    if not encodes_images(encoder):
        raise EncoderError(
            f"{encoder_name(encoder)} reads sentences only, no images. Extract features with an open_clip or timm "
            "encoder, encode the prompts with this one, and train with it as `text`"
        )
    return encoder


def require_text_encoder(encoder: Encoder) -> TextEncoder:
    """The encoder, for a caller that has sentences; EncoderError if it reads images only."""
    if not encodes_text(encoder):
        raise EncoderError(
            f"{encoder_name(encoder)} has no text tower. Heads that need text work with an open_clip encoder"
        )
    return encoder


def encoder_name(encoder: Encoder) -> str:
    """`family:architecture`, for messages."""
    return f"{encoder.identity['family']}:{encoder.identity['architecture']}"
