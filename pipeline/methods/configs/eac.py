"""The options of eac."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.methods.configs.base import NonNegative
from pipeline.methods.configs.image import Chance, ImageConfig

__all__ = ["CONFIG", "EacConfig"]


class EacConfig(ImageConfig):
    """Erasing Attention Consistency: attention to an erased face and to its mirror image must agree.

    The learning rate is what the authors advise for ResNet-18; with `backbone: resnet50` they use 0.0001.
    """

    method: ClassVar[str] = "eac"

    noise: Chance = Field(0.5, description="chance of Gaussian noise of variance 30 on 0..255 values")
    lambda_consistency: NonNegative = Field(5.0, description="factor of the flip consistency loss")
    mirrored: Literal["augmented", "plain"] = Field(
        "augmented",
        description="what the second image mirrors: the first one, noise and erasing and all, or the plain image, "
        "erased anew (authors' code for noisy labels)",
    )


CONFIG = EacConfig
