"""What the options of methods share that train an image network on pixels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.methods.configs.adam import AdamConfig

__all__ = ["BackboneName", "Chance", "ImageConfig"]

BackboneName = Literal["resnet18", "resnet50", "mobilenet_v2", "swin_tiny", "small"]
Chance = Annotated[float, Field(ge=0, le=1)]


class ImageConfig(AdamConfig):
    """An image network on the cached pixels of the plain view; augmentations are drawn anew in every epoch."""

    backbone: BackboneName = Field(
        "resnet18", description="the image network; small: four convolutions, no paper's, for a first look on a CPU"
    )
    pretrained: str = Field(
        "", description="file of the backbone's first weights, .safetensors or a checkpoint of tensors; empty: random"
    )
    erase: Chance = Field(0.5, description="chance of an erased rectangle of 2 to 25 % of the image")

    @property
    def reads(self) -> tuple[str, ...]:
        return ("pixels",)

    @property
    def views(self) -> Literal["all", "plain"]:
        return "plain"
