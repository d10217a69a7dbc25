"""An encoder of sentences alone: a text tower whose image tower nobody asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.encoders.runtimes.eager import inference, precision_of, to_numpy
from pipeline.errors import EncoderError
from pipeline.images.preprocess import Preprocess

__all__ = ["TextOnlyEncoder"]


@dataclass(frozen=True)
class TextOnlyEncoder:
    """See `pipeline.encoders.base.Encoder`; whatever is of images is an EncoderError.

    Parameters
    ----------
    text_tower : P sentences -> float32 (P, D_t), raw
    half : whether CUDA may compute in float16 where autocast holds that to be safe
    """

    identity: Mapping[str, Any]
    torch_device: torch.device
    text_tower: Callable[[Sequence[str]], Tensor]
    note: str = ""
    saw: tuple[str, ...] = ()
    half: bool = True

    @property
    def preprocess(self) -> Preprocess:
        self._refuse_images()

    @property
    def row_shapes(self) -> Mapping[str, tuple[int, ...]]:
        self._refuse_images()

    @property
    def width(self) -> int:
        self._refuse_images()

    @property
    def device(self) -> str:
        return str(self.torch_device)

    @property
    def precision(self) -> str:
        return precision_of(self.torch_device, self.half)

    @property
    def runtime(self) -> str:
        return "eager"

    @property
    def has_text(self) -> bool:
        return True

    @property
    def text_identity(self) -> Mapping[str, Any]:
        """Empty: the tokenizer is a part of `identity`, as there are no image features that it would not change."""
        return {}

    def with_preprocess(self, preprocess: Preprocess) -> TextOnlyEncoder:
        self._refuse_images()

    def with_runtime(self, wanted: str) -> TextOnlyEncoder:
        """Itself: runtimes are of image towers."""
        return self

    def reference(self) -> TextOnlyEncoder:
        return replace(self, half=False)

    def encode_images(
        self, pixels: npt.NDArray[np.uint8], outputs: Sequence[str] = ("pooled",)
    ) -> dict[str, npt.NDArray[np.float32]]:
        self._refuse_images()

    def encode_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        with inference(self.torch_device, self.half):
            return to_numpy(self.text_tower(prompts))

    def _refuse_images(self) -> NoReturn:
        raise EncoderError(
            f"{self.identity['family']}:{self.identity['architecture']} reads sentences only, no images. Extract "
            "features with an open_clip or timm encoder, and have a head learn from this one's vectors: "
            "fer-stage encode-text, then train --text"
        )
