"""Encoders with a torch image tower, on a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from pipeline.encoders.arithmetic import precision_of
from pipeline.encoders.devices import device_name
from pipeline.encoders.protocols import Encoder, ImageEncoder, encoder_name
from pipeline.encoders.runtimes import resolve_runtime
from pipeline.encoders.runtimes.choose import Runtime, runtime_of
from pipeline.encoders.towers import ImageTower, PixelTower
from pipeline.errors import EncoderError
from pipeline.images.preprocess import Preprocess

__all__ = ["TorchEncoder", "require_torch_encoder", "resolve_device"]


def resolve_device(name: str) -> torch.device:
    """The device of a name; see `device_name`, which needs no torch.

    Raises
    ------
    EncoderError
        If there is no such device.
    """
    return torch.device(device_name(name))


@dataclass(frozen=True)
class TorchEncoder:
    """An `ImageEncoder` whose image network is a torch module.

    Parameters
    ----------
    tower : the image tower, frozen, on the device
    requested_runtime : of the image tower: eager, compile or openvino
    half : whether CUDA may compute in float16 where autocast holds that to be safe
    """

    identity: Mapping[str, Any]
    preprocess: Preprocess
    tower: ImageTower
    torch_device: torch.device
    note: str = ""
    trained_on: tuple[str, ...] = ()
    requested_runtime: str = "eager"
    half: bool = True

    @property
    def device(self) -> str:
        return str(self.torch_device)

    @property
    def precision(self) -> str:
        return precision_of(self.device, self.half)

    @property
    def runtime(self) -> str:
        return self._runtime.name

    @cached_property
    def row_shapes(self) -> Mapping[str, tuple[int, ...]]:
        size = self.preprocess.size
        return self.tower.row_shapes(torch.zeros(1, 3, size, size, device=self.torch_device))

    @property
    def width(self) -> int:
        return self.row_shapes["pooled"][0]

    def with_preprocess(self, preprocess: Preprocess) -> Self:
        return replace(self, preprocess=preprocess)

    def with_runtime(self, runtime: str) -> Self:
        return replace(self, requested_runtime=resolve_runtime(runtime, self.torch_device.type))

    def reference(self) -> Self:
        return replace(self, requested_runtime="eager", half=False)

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

    def encode_images(
        self, pixels: npt.NDArray[np.uint8], outputs: Sequence[str] = ("pooled",)
    ) -> dict[str, npt.NDArray[np.float32]]:
        if tuple(outputs) != ("pooled",):
            self._require(outputs)
        return self._runtime(pixels, outputs)

    def start_images(
        self, pixels: npt.NDArray[np.uint8], outputs: Sequence[str] = ("pooled",)
    ) -> Callable[[], dict[str, npt.NDArray[np.float32]]] | None:
        """See `AsyncImageEncoder`."""
        return self._runtime.start(pixels, outputs)

    @cached_property
    def _runtime(self) -> Runtime:
        tower = PixelTower(self.tower, self.preprocess, self.torch_device)
        return runtime_of(self.requested_runtime, tower, self.torch_device, self.half)

    def _require(self, outputs: Sequence[str]) -> None:
        if unknown := [name for name in outputs if name not in self.row_shapes]:
            n_blocks = sum(name.startswith("block-") for name in self.row_shapes)
            known = [name for name in self.row_shapes if not name.startswith("block-")]
            known += [f"block-K with K from 0 to {n_blocks - 1}"] if n_blocks else []
            raise EncoderError(f"{encoder_name(self)} gives no {', '.join(unknown)}. It gives {', '.join(known)}")


if TYPE_CHECKING:
    _offers_images: type[ImageEncoder] = TorchEncoder


def require_torch_encoder(encoder: Encoder) -> TorchEncoder:
    """The encoder, for a caller that trains its image network or a part of it.

    Raises
    ------
    EncoderError
        If its image network is no torch module, or it has none.
    """
    if not isinstance(encoder, TorchEncoder):
        raise EncoderError(
            f"{encoder_name(encoder)}: expected an encoder whose image network is a torch module, found "
            f"{type(encoder).__name__}. Use an open_clip or timm encoder"
        )
    return encoder
