"""What is known of an encoder before it is loaded, and encoders that are loaded when they have to encode something."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.encoders.arithmetic import precision_of
from pipeline.encoders.protocols import (
    Encoder,
    ImageEncoder,
    TextEncoder,
    encodes_text,
    require_image_encoder,
    require_text_encoder,
    starts_images,
)
from pipeline.encoders.runtimes import resolve_runtime
from pipeline.images.preprocess import Preprocess

__all__ = ["DescribedEncoder", "DescribedImageEncoder", "DescribedTextEncoder", "EncoderDescription"]


@dataclass(frozen=True)
class EncoderDescription:
    """The properties of an encoder that do not depend on the device.

    Parameters
    ----------
    identity, note, trained_on : as `Encoder` has them
    preprocess, row_shapes : as `ImageEncoder` has them; None and empty where they were not read
    text_identity : as `TextEncoder` has it; None where it was not read, or there is no text tower
    """

    identity: Mapping[str, Any]
    note: str
    trained_on: tuple[str, ...]
    preprocess: Preprocess | None = None
    row_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    text_identity: Mapping[str, Any] | None = None

    @classmethod
    def of_images(cls, encoder: ImageEncoder) -> Self:
        """What is known of an encoder for images; its row shapes may take a pass through the model."""
        shapes = {name: tuple(shape) for name, shape in encoder.row_shapes.items()}
        return cls(encoder.identity, encoder.note, encoder.trained_on, encoder.preprocess, shapes)

    @classmethod
    def of_text(cls, encoder: Encoder) -> Self:
        """What is known of an encoder for sentences, or of one that reads none; a tokenizer may be loaded for it."""
        text = encoder.text_identity if encodes_text(encoder) else None
        return cls(encoder.identity, encoder.note, encoder.trained_on, text_identity=text)


@dataclass(frozen=True)
class DescribedEncoder:
    """An `Encoder` of known description that encodes nothing.

    Parameters
    ----------
    load : gives the encoder itself, always the same one
    """

    description: EncoderDescription
    device: str
    load: Callable[[], Encoder]

    @property
    def identity(self) -> Mapping[str, Any]:
        return self.description.identity

    @property
    def note(self) -> str:
        return self.description.note

    @property
    def trained_on(self) -> tuple[str, ...]:
        return self.description.trained_on

    @property
    def precision(self) -> str:
        return precision_of(self.device, half=True)


@dataclass(frozen=True)
class DescribedTextEncoder(DescribedEncoder):
    """A `TextEncoder` of known description, which is loaded for the first sentence."""

    @property
    def text_identity(self) -> Mapping[str, Any]:
        return self.description.text_identity or {}

    def encode_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        return require_text_encoder(self.load()).encode_text(prompts)


@dataclass(frozen=True)
class DescribedImageEncoder(DescribedEncoder):
    """An `ImageEncoder` of known description, which is loaded for the first image.

    Parameters
    ----------
    preprocess : how it is fed: as it was trained, or otherwise
    requested_runtime : of the image tower: eager, compile or openvino
    """

    preprocess: Preprocess
    requested_runtime: str

    @property
    def row_shapes(self) -> Mapping[str, tuple[int, ...]]:
        return self.description.row_shapes

    @property
    def width(self) -> int:
        return self.row_shapes["pooled"][0]

    @property
    def runtime(self) -> str:
        return self._loaded.runtime

    def with_preprocess(self, preprocess: Preprocess) -> Self:
        return replace(self, preprocess=preprocess)

    def with_runtime(self, runtime: str) -> Self:
        return replace(self, requested_runtime=resolve_runtime(runtime, self.device.partition(":")[0]))

    def reference(self) -> ImageEncoder:
        return self._loaded.reference()

    def encode_images(
        self, pixels: npt.NDArray[np.uint8], outputs: Sequence[str] = ("pooled",)
    ) -> dict[str, npt.NDArray[np.float32]]:
        return self._loaded.encode_images(pixels, outputs)

    def start_images(
        self, pixels: npt.NDArray[np.uint8], outputs: Sequence[str] = ("pooled",)
    ) -> Callable[[], dict[str, npt.NDArray[np.float32]]] | None:
        """See `AsyncImageEncoder`; None if the encoder is none."""
        encoder = self._loaded
        return encoder.start_images(pixels, outputs) if starts_images(encoder) else None

    @cached_property
    def _loaded(self) -> ImageEncoder:
        encoder = require_image_encoder(self.load())
        return encoder.with_preprocess(self.preprocess).with_runtime(self.requested_runtime)


if TYPE_CHECKING:
    _offers: tuple[type[Encoder], type[TextEncoder], type[ImageEncoder]] = (
        DescribedEncoder,
        DescribedTextEncoder,
        DescribedImageEncoder,
    )
