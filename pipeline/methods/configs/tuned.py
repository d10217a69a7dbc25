"""What the options of methods share that train the encoder's own image network."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.methods.configs.base import Count, NonNegative, Positive
from pipeline.methods.configs.drawn import DrawnConfig

__all__ = ["Input", "TunedConfig"]

Input = Annotated[str, Field(pattern=r"^(pixels|block-\d+)$")]


class TunedConfig(DrawnConfig):
    """What methods share that train the encoder's own image network. The settings are CLIPER's second stage.

    Its learning rate, eps and strengths of augmentation are the authors' code's, since they are lost from the paper's
    text as we have it.
    """

    needs_encoder: ClassVar[bool] = True

    input: Input = Field(
        "pixels",
        description="pixels: train the whole network; block-K: only what comes from block K on, from its cached input",
    )
    epochs: Count = Field(50, description="passes over the train split")
    batch_size: Count = Field(128, description="rows per step")
    lr: Positive = Field(0.000005, description="AdamW's learning rate of the network in the first epoch")
    weight_decay: NonNegative = Field(0.1, description="AdamW's decoupled weight decay")
    eps: Positive = Field(0.0001, description="AdamW's eps: large, since the authors train in half precision")
    schedule: Literal["cosine", "restarts"] = Field(
        "cosine", description="half a cosine over all epochs (paper), or a new one every 10 epochs (CLIPER's code)"
    )
    crop: float = Field(0.15, gt=0, le=1, description="least share of the image's area that a random crop keeps")
    crop_aspect: float = Field(3.3, ge=1, description="greatest ratio of a random crop's sides, either way")
    brightness: float = Field(0.4, ge=0, le=1, description="greatest random change of brightness, as a share of it")
    hue: float = Field(0.3, ge=0, le=0.5, description="greatest random turn of the hue, turns")

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.input,)
