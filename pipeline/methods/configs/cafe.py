"""The options of cafe."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from pipeline.methods.configs.image import BackboneName
from pipeline.methods.configs.mask import MaskConfig

__all__ = ["CONFIG", "CafeConfig"]


class CafeConfig(MaskConfig):
    """CAFE as published: an image network on the pixels masks the frozen feature of the same view.

    Settings are those for RAF-DB; for AffectNet the paper has lr 0.0001, lr_decay 0.8, epochs 20, balanced true. The
    feature stays raw, as the authors' code takes it from CLIP: lambda, beta and the losses' divisor were chosen for
    channels of that size. Where an encoder's channels are much smaller (unit vectors) or larger, use `l2` or
    `standard`, or the two channel losses vanish or drown the classifier's.
    """

    method: ClassVar[str] = "cafe"

    backbone: BackboneName = Field("resnet18", description="the mask network; swin_tiny and small are not the paper's")
    pretrained: str = Field(
        "", description="file of the backbone's first weights, .safetensors or a checkpoint of tensors; empty: random"
    )

    @property
    def reads(self) -> tuple[str, ...]:
        return ("pooled", "pixels")

    @property
    def head_options(self) -> dict[str, Any]:
        return super().head_options | {"backbone": self.backbone}


CONFIG = CafeConfig
