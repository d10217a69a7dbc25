"""The options of baseline."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.methods.configs.image import Chance, ImageConfig

__all__ = ["CONFIG", "BaselineConfig"]


class BaselineConfig(ImageConfig):
    """An image network and a linear classifier, trained with cross-entropy: what CAFE is compared with.

    Optimiser and augmentations are those of CAFE, from its paper and its authors' code.
    """

    method: ClassVar[str] = "baseline"

    flip: Chance = Field(0.5, description="chance of a mirror image")
    noise: Chance = Field(0.5, description="chance of Gaussian noise of variance 30 on 0..255 values")


CONFIG = BaselineConfig
