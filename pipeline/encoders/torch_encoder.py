"""The one implementation: a torch image tower, perhaps a text tower, on a device."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.encoders.prompt_tower import PromptTower
from pipeline.encoders.runtimes import resolve_runtime
from pipeline.encoders.runtimes.choose import Runtime, runtime_of
from pipeline.encoders.runtimes.eager import inference, precision_of, to_numpy
from pipeline.encoders.towers import ImageTower, PixelTower
from pipeline.errors import EncoderError
from pipeline.images.preprocess import Preprocess

__all__ = ["TorchEncoder", "keep_freed_memory", "resolve_device"]

_DEVICE = re.compile(r"cpu|cuda(:\d+)?")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


def resolve_device(wanted: str) -> torch.device:
    """`auto` is CUDA when there is one, else the CPU.

    Raises
    ------
    EncoderError
        If the name is none of `auto`, `cpu`, `cuda`, `cuda:N`, or CUDA is asked for and absent: nobody should find
        out after a day that it ran on the CPU.
    """
    if wanted == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if not _DEVICE.fullmatch(wanted):
        raise EncoderError(f"--device {wanted}: expected auto, cpu, cuda or cuda:N")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise EncoderError(
            f"--device {wanted}: torch can use {torch.cuda.device_count()} CUDA devices of this machine, counted from "
            "cuda:0. Use one of them, or --device cpu"
        )
    return device


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next batch, instead of giving it back to the system.

    Every batch allocates the same large activations; on the CPU their page faults took a third of the time
    (EfficientNet-Lite0, 64 x 224 px: 2.7 million faults in 256 images, 75 thousand with this). The encoder runs in a
    thread, whose own arena would give memory back all the same: all threads share one.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return
    mallopt(_M_MMAP_THRESHOLD, 2**30)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_M_ARENA_MAX, 1)


@dataclass(frozen=True)
class TorchEncoder:
    """See `pipeline.encoders.base.Encoder`.

    Parameters
    ----------
    tower : the image tower, frozen, on the device
    text_tower : sentences -> (P, D_t), or None
    new_prompts : makes `prompts`, which few need; None without a text tower
    new_text_identity : makes `text_identity`, for which a tokenizer is loaded; None without a text tower
    wanted : the runtime of the image tower: eager, compile or openvino
    half : whether CUDA may compute in float16 where autocast holds that to be safe
    """

    identity: Mapping[str, Any]
    preprocess: Preprocess
    tower: ImageTower
    torch_device: torch.device
    text_tower: Callable[[Sequence[str]], Tensor] | None = None
    note: str = ""
    saw: tuple[str, ...] = ()
    wanted: str = "eager"
    half: bool = True
    new_prompts: Callable[[], PromptTower] | None = None
    new_text_identity: Callable[[], Mapping[str, Any]] | None = None

    @property
    def device(self) -> str:
        return str(self.torch_device)

    @property
    def precision(self) -> str:
        return precision_of(self.torch_device, self.half)

    @property
    def runtime(self) -> str:
        return self._runtime.name

    @property
    def has_text(self) -> bool:
        return self.text_tower is not None

    @cached_property
    def text_identity(self) -> Mapping[str, Any]:
        return self.new_text_identity() if self.new_text_identity else {}

    @cached_property
    def row_shapes(self) -> Mapping[str, tuple[int, ...]]:
        size = self.preprocess.size
        return self.tower.row_shapes(torch.zeros(1, 3, size, size, device=self.torch_device))

    @property
    def width(self) -> int:
        return self.row_shapes["pooled"][0]

    def with_preprocess(self, preprocess: Preprocess) -> TorchEncoder:
        return replace(self, preprocess=preprocess)

    def with_runtime(self, wanted: str) -> TorchEncoder:
        return replace(self, wanted=resolve_runtime(wanted, self.torch_device.type))

    def reference(self) -> TorchEncoder:
        return replace(self, wanted="eager", half=False)

    def tail(self, block: int) -> nn.Module:
        """What comes from block `block` on: (B, T, W), the output `block-<block>`, -> (B, D), `pooled`.

        Its weights are those of this encoder: frozen, not copied. Copy it (`copy.deepcopy`) before you train it.

        Raises
        ------
        EncoderError
            If the encoder offers no `block-<block>`.
        """
        self._require([f"block-{block}"])
        return self.tower.tail(block)

    @cached_property
    def prompts(self) -> PromptTower:
        """The text tower, fed embedded tokens: for learned prompts. Its weights are those of this encoder, frozen.

        Raises
        ------
        EncoderError
            If there is no text tower, or one of a kind that prompts cannot be learned in.
        """
        if self.new_prompts is None:
            raise self._without_text()
        return self.new_prompts()

    def encode_images(
        self, pixels: npt.NDArray[np.uint8], outputs: Sequence[str] = ("pooled",)
    ) -> dict[str, npt.NDArray[np.float32]]:
        if tuple(outputs) != ("pooled",):
            self._require(outputs)
        return self._runtime(pixels, outputs)

    def encode_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        if self.text_tower is None:
            raise self._without_text()
        with inference(self.torch_device, self.half):
            return to_numpy(self.text_tower(prompts))

    def _without_text(self) -> EncoderError:
        return EncoderError(f"{self._name} has no text tower. Heads that need text work with an open_clip encoder")

    @property
    def _name(self) -> str:
        return f"{self.identity['family']}:{self.identity['architecture']}"

    @cached_property
    def _runtime(self) -> Runtime:
        tower = PixelTower(self.tower, self.preprocess, self.torch_device)
        return runtime_of(self.wanted, tower, self.torch_device, self.half)

    def _require(self, outputs: Sequence[str]) -> None:
        if unknown := [name for name in outputs if name not in self.row_shapes]:
            n_blocks = sum(name.startswith("block-") for name in self.row_shapes)
            known = [name for name in self.row_shapes if not name.startswith("block-")]
            known += [f"block-K with K from 0 to {n_blocks - 1}"] if n_blocks else []
            raise EncoderError(f"{self._name} gives no {', '.join(unknown)}. It gives {', '.join(known)}")
