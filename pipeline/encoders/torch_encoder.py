"""The one implementation: a torch image tower, perhaps a text tower, on a device."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.errors import EncoderError
from pipeline.preprocess import Preprocess

__all__ = ["TorchEncoder", "keep_freed_memory", "resolve_device"]

_DEVICE = re.compile(r"cpu|cuda(:\d+)?")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


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
    (EfficientNet-Lite0, 64 x 224 px: 2.7 million faults in 256 images, 75 thousand with this).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return
    mallopt(_M_MMAP_THRESHOLD, 2**30)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


@dataclass(frozen=True)
class TorchEncoder:
    """See `pipeline.encoders.base.Encoder`.

    Parameters
    ----------
    image_tower : float (B, 3, S, S), normalised -> (B, D)
    text_tower : sentences -> (P, D_t), or None
    """

    identity: Mapping[str, Any]
    preprocess: Preprocess
    width: int
    image_tower: Callable[[Tensor], Tensor]
    torch_device: torch.device
    text_tower: Callable[[Sequence[str]], Tensor] | None = None
    note: str = ""

    @property
    def device(self) -> str:
        return str(self.torch_device)

    @property
    def precision(self) -> str:
        return "amp-float16" if self.torch_device.type == "cuda" else "float32"

    @property
    def has_text(self) -> bool:
        return self.text_tower is not None

    def with_preprocess(self, preprocess: Preprocess) -> TorchEncoder:
        return replace(self, preprocess=preprocess)

    def encode_images(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.inference_mode(), self._autocast():
            return _to_numpy(self.image_tower(self._normalised(torch.from_numpy(pixels))))

    def encode_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        if self.text_tower is None:
            name = f"{self.identity['family']}:{self.identity['architecture']}"
            raise EncoderError(f"{name} has no text tower. Heads that need text work with an open_clip encoder")
        with torch.inference_mode(), self._autocast():
            return _to_numpy(self.text_tower(prompts))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.torch_device.type, torch.float16, enabled=self.torch_device.type == "cuda")

    def _normalised(self, pixels: Tensor) -> Tensor:
        """uint8 (B, S, S, 3) -> float32 (B, 3, S, S): the same operations in the same order as open_clip's own.

        The result keeps the pixels' memory order (channels last), in which convolutions are fastest.
        """
        images = pixels.to(self.torch_device, non_blocking=True).permute(0, 3, 1, 2).to(torch.float32).div(255)
        mean, std = (
            torch.tensor(values, device=self.torch_device).view(1, 3, 1, 1)
            for values in (self.preprocess.mean, self.preprocess.std)
        )
        return images.sub_(mean).div_(std)


def _to_numpy(values: Tensor) -> npt.NDArray[np.float32]:
    return values.float().cpu().numpy()
