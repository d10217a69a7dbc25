"""What the options of methods share that may draw their own augmentations of pixels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.methods.configs.base import LoopConfig
from pipeline.methods.configs.image import Chance

__all__ = ["DrawnConfig"]


class DrawnConfig(LoopConfig):
    """A network that may learn from pixels: from augmentations drawn for every batch, or from the cached views."""

    augment: bool = Field(
        True,
        description="where pixels are read: draw the augmentations below from view 0, anew for every batch; false: "
        "learn from all cached views as they are. Cached views can do all of them but crops and turns",
    )
    crop: float = Field(1.0, gt=0, le=1, description="least share of the image's area that a random crop keeps")
    crop_aspect: float = Field(1.0, ge=1, description="greatest ratio of a random crop's sides, either way")
    rotate: float = Field(0.0, ge=0, le=180, description="greatest random turn to either side, degrees")
    flip: Chance = Field(0.5, description="chance of a mirror image")
    erase: Chance = Field(0.5, description="chance of an erased rectangle of 2 to 25 % of the image")
    brightness: float = Field(0.0, ge=0, le=1, description="greatest random change of brightness, as a share of it")
    hue: float = Field(0.0, ge=0, le=0.5, description="greatest random turn of the hue, turns")

    @property
    def views(self) -> Literal["all", "plain"]:
        return "plain" if self.augment and "pixels" in self.reads else "all"
