"""Encoders with a torch text tower: of sentences alone, or beside an image tower."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.encoders.arithmetic import precision_of
from pipeline.encoders.prompt_tower import PromptEncoder, PromptTower
from pipeline.encoders.protocols import TextEncoder
from pipeline.encoders.runtimes.eager import inference, to_numpy
from pipeline.encoders.torch_encoder import TorchEncoder

__all__ = ["PromptableEncoder", "TextTower", "TorchTextEncoder", "TwoTowerEncoder"]

TextTower = Callable[[Sequence[str]], Tensor]  # P sentences -> float32 (P, D_t), raw


@dataclass(frozen=True)
class TorchTextEncoder:
    """A `TextEncoder`: a text tower alone.

    Parameters
    ----------
    half : whether CUDA may compute in float16 where autocast holds that to be safe
    """

    identity: Mapping[str, Any]
    torch_device: torch.device
    text_tower: TextTower
    note: str = ""
    trained_on: tuple[str, ...] = ()
    half: bool = True

    @property
    def device(self) -> str:
        return str(self.torch_device)

    @property
    def precision(self) -> str:
        return precision_of(self.device, self.half)

    @property
    def text_identity(self) -> Mapping[str, Any]:
        """Empty: the tokenizer is a part of `identity`, as there are no image features that it would not change."""
        return {}

    def encode_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        return _encode(self.text_tower, prompts, self.torch_device, self.half)


@dataclass(frozen=True, kw_only=True)
class TwoTowerEncoder(TorchEncoder):
    """An `ImageEncoder` and a `TextEncoder`.

    Parameters
    ----------
    new_text_identity : makes `text_identity`, for which a tokenizer is loaded
    """

    text_tower: TextTower
    new_text_identity: Callable[[], Mapping[str, Any]] = dict

    @cached_property
    def text_identity(self) -> Mapping[str, Any]:
        return self.new_text_identity()

    def encode_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        return _encode(self.text_tower, prompts, self.torch_device, self.half)


@dataclass(frozen=True, kw_only=True)
class PromptableEncoder(TwoTowerEncoder):
    """A `PromptEncoder`, too.

    Parameters
    ----------
    new_prompts : makes `prompts`, which few need
    """

    new_prompts: Callable[[], PromptTower]

    @cached_property
    def prompts(self) -> PromptTower:
        return self.new_prompts()


if TYPE_CHECKING:
    _offers_text: tuple[type[TextEncoder], type[PromptEncoder]] = (TorchTextEncoder, PromptableEncoder)


def _encode(tower: TextTower, prompts: Sequence[str], device: torch.device, half: bool) -> npt.NDArray[np.float32]:
    with inference(device, half):
        return to_numpy(tower(prompts))
