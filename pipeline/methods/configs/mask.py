"""The options that cafe, feature-mask and token-mask share: the mask on the feature, CAFE's losses, Adam."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pipeline.methods.configs.adam import AdamConfig
from pipeline.methods.configs.base import SCALE, Count, NonNegative, Positive
from pipeline.models.spec import ScaleKind

__all__ = ["LightMaskConfig", "MaskConfig"]


class MaskConfig(AdamConfig):
    """Defaults are the paper's; what the authors' code does otherwise is named `code`, or said in the description."""

    feature_scale: ScaleKind = Field("raw", description=SCALE)
    sigmoid: bool = Field(True, description="false: the mask network's output itself is the mask (paper's ablation)")
    lambda_sep: NonNegative = Field(1.5, description="factor of the channel separation loss")
    beta_div: NonNegative = Field(5.0, description="factor of the channel diversity loss")
    div_norm: Literal["paper", "code"] = Field(
        "paper", description="divide the sum over classes by the group's size (paper), or also by the classes (code)"
    )
    pool_remainder: bool = Field(
        True, description="channels beyond C equal groups belong to the last class; false: to none, as in the code"
    )
    drop_rate: float = Field(
        10 / 73,
        ge=0,
        lt=1,
        description="share of every group's channels dropped for separation; at least one of each is kept",
    )
    drop_shared: Literal["batch", "sample"] = Field("batch", description="one drop mask per batch (code) or per sample")
    class_weights: Literal["none", "learnt"] = Field(
        "none", description="w of the separation loss: all 1 (code), or one learnt factor per class that starts at 1"
    )
    bias: bool = Field(True, description="of the classifier (code); false: to the letter of the paper's Eq. 3")

    @property
    def head_options(self) -> dict[str, Any]:
        """Options of every mask head."""
        return {"sigmoid": self.sigmoid, "bias": self.bias}


class LightMaskConfig(MaskConfig):
    """A mask network of a few layers on cached features: the optimiser's settings are its own, not the paper's.

    Features are standardised by default: the best channel of a group then says something about the face whatever the
    encoder, where a raw group is won by the channel with the greatest mean.
    """

    feature_scale: ScaleKind = Field("standard", description=SCALE)
    batch_size: Count = Field(128, description="rows per step")
    lr: Positive = Field(0.001, description="Adam's learning rate in the first epoch")
    lr_decay: float = Field(0.95, gt=0, le=1, description="factor on the learning rate after every epoch")
