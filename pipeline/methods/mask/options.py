"""The options of cafe, feature-mask and token-mask."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from pipeline.learning.options import (
    CROSS_ENTROPY_WEIGHTS,
    SCALE,
    TARGETS,
    AdamConfig,
    Count,
    CrossEntropyWeights,
    NonNegative,
    Positive,
    Targets,
    Width,
)
from pipeline.learning.spec import ScaleKind
from pipeline.methods.image.options import BackboneName, is_large_backbone

__all__ = ["CafeConfig", "FeatureMaskConfig", "LightMaskConfig", "MaskConfig", "TokenMaskConfig"]


class MaskConfig(AdamConfig):
    """Defaults are the paper's; what the authors' code does otherwise is named `code`, or is in the description."""

    later_options: ClassVar[frozenset[str]] = frozenset({"cross_entropy_weights", "targets"})

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
    targets: Targets = Field("labels", description=TARGETS)
    cross_entropy_weights: CrossEntropyWeights = Field("none", description=CROSS_ENTROPY_WEIGHTS)

    @property
    def head_options(self) -> dict[str, Any]:
        """Options of every mask head."""
        return {"sigmoid": self.sigmoid, "bias": self.bias}


class LightMaskConfig(MaskConfig):
    """A mask network of a few layers on cached features: the optimiser's settings are its own, not the paper's.

    Features are standardised by default: the best channel of a group then depends on the face whatever the
    encoder, where a raw group is won by the channel with the greatest mean.
    """

    feature_scale: ScaleKind = Field("standard", description=SCALE)
    batch_size: Count = Field(128, description="rows per step")
    lr: Positive = Field(0.001, description="Adam's learning rate in the first epoch")
    lr_decay: float = Field(0.95, gt=0, le=1, description="factor on the learning rate after every epoch")


class CafeConfig(MaskConfig):
    """CAFE as published: an image network on the pixels masks the frozen feature of the same view.

    Settings are those for RAF-DB; for AffectNet the paper has lr 0.0001, lr_decay 0.8, epochs 20, balanced true. The
    feature stays raw, as the authors' code takes it from CLIP: lambda, beta and the losses' divisor were chosen for
    channels of that size. Where an encoder's channels are much smaller (unit vectors) or larger, use `l2` or
    `standard`, or the two channel losses vanish or dominate the classifier's.
    """

    method: ClassVar[str] = "cafe"

    backbone: BackboneName = Field("resnet18", description="the mask network; swin_tiny and small are not the paper's")
    pretrained: str = Field(
        "", description="file of the backbone's initial weights, .safetensors or a checkpoint of tensors; empty: random"
    )

    @property
    def reads(self) -> tuple[str, ...]:
        return ("pooled", "pixels")

    def is_large(self, encoder_parameters: int) -> bool:
        return is_large_backbone(self.backbone)

    @property
    def head_options(self) -> dict[str, Any]:
        return super().head_options | {"backbone": self.backbone}


class FeatureMaskConfig(LightMaskConfig):
    """A sigmoid mask on the cached feature, made from the feature itself and trained with CAFE's three losses.

    Not CAFE as published: its mask network reads the pixels (`cafe`).
    """

    method: ClassVar[str] = "feature-mask"
    can_ensemble: ClassVar[bool] = True
    loss_weight_options: ClassVar[tuple[str, ...]] = ("lambda_sep", "beta_div")

    hidden: Width = Field(256, description="width of the mask network's hidden layer")

    @property
    def head_options(self) -> dict[str, Any]:
        return super().head_options | {"hidden": self.hidden}


class TokenMaskConfig(LightMaskConfig):
    """A sigmoid mask on the cached feature, made by attention over the cached tokens; CAFE's three losses.

    Between `feature-mask`, whose mask cannot see where in the picture something is, and `cafe`, whose mask network
    reads the pixels. Features are standardised by default, as in `feature-mask`; tokens are layer-normed.
    It could be stacked, but a batch of tokens is far larger than the network: 4 stacked took twice the time of 4 alone.
    """

    method: ClassVar[str] = "token-mask"

    queries: Width = Field(4, description="how many places the mask network attends to")
    hidden: Width = Field(128, description="width of the mask network's hidden layer")

    @property
    def reads(self) -> tuple[str, ...]:
        return ("pooled", "tokens")

    @property
    def head_options(self) -> dict[str, Any]:
        return super().head_options | {"queries": self.queries, "hidden": self.hidden}
