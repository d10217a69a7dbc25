"""The options of rul."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.methods.configs.base import Count, Positive, Width
from pipeline.methods.configs.image import Chance, ImageConfig

__all__ = ["CONFIG", "RulConfig"]


class RulConfig(ImageConfig):
    """Relative Uncertainty Learning: features of two faces are mixed by their uncertainties, and both must be found."""

    method: ClassVar[str] = "rul"

    batch_size: Count = Field(64, description="rows per step")
    flip_or_noise: Chance = Field(0.5, description="chance that an image is either mirrored or gets noise, half each")
    dimensions: Width = Field(64, description="width of the embedding that is mixed")
    dropout: float = Field(0.4, ge=0, lt=1, description="share of the maps' values dropped before the embedding")
    lr_classifier: Positive = Field(0.002, description="Adam's learning rate of the classifier in the first epoch")


CONFIG = RulConfig
