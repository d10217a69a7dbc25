"""The options of baseline and fine-tune, and what other methods share that train an image network on pixels."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.learning.options import (
    CROSS_ENTROPY_WEIGHTS,
    TARGETS,
    AdamConfig,
    Count,
    CrossEntropyWeights,
    LoopConfig,
    NonNegative,
    Positive,
    Targets,
)

__all__ = [
    "AugmentationConfig",
    "BackboneName",
    "BaselineConfig",
    "Chance",
    "FineTuneConfig",
    "ImageConfig",
    "Input",
    "TunedConfig",
    "is_large_backbone",
]


BackboneName = Literal["resnet18", "resnet50", "mobilenet_v2", "swin_tiny", "small"]
Chance = Annotated[float, Field(ge=0, le=1)]


def is_large_backbone(name: BackboneName) -> bool:
    """Whether a step of this image network is long enough for all cores, see `MethodConfig.is_large`."""
    return name != "small"


class ImageConfig(AdamConfig):
    """An image network on the cached pixels of the plain view; with new augmentations in every epoch."""

    backbone: BackboneName = Field(
        "resnet18", description="the image network; small: four convolutions, no paper's, for a first look on a CPU"
    )
    pretrained: str = Field(
        "", description="file of the backbone's initial weights, .safetensors or a checkpoint of tensors; empty: random"
    )
    erase: Chance = Field(0.5, description="chance of an erased rectangle of 2 to 25 % of the image")

    @property
    def reads(self) -> tuple[str, ...]:
        return ("pixels",)

    @property
    def views(self) -> Literal["all", "plain"]:
        return "plain"

    def is_large(self, encoder_parameters: int) -> bool:
        return is_large_backbone(self.backbone)


class AugmentationConfig(LoopConfig):
    """A network that may learn from pixels: from augmentations drawn for every batch, or from the cached views."""

    augment: bool = Field(
        True,
        description="where pixels are read: draw the augmentations below from view 0 for every batch; false: "
        "learn from all cached views as they are. Cached views can do all of them but crops and rotations",
    )
    crop: float = Field(1.0, gt=0, le=1, description="least share of the image's area that a random crop keeps")
    crop_aspect: float = Field(1.0, ge=1, description="greatest ratio of a random crop's sides, either way")
    rotate: float = Field(0.0, ge=0, le=180, description="greatest random rotation to either side, degrees")
    flip: Chance = Field(0.5, description="chance of a mirror image")
    erase: Chance = Field(0.5, description="chance of an erased rectangle of 2 to 25 % of the image")
    brightness: float = Field(0.0, ge=0, le=1, description="greatest random change of brightness, as a share of it")
    hue: float = Field(
        0.0, ge=0, le=0.5, description="greatest random shift of the hue, as a share of the colour circle"
    )

    @property
    def views(self) -> Literal["all", "plain"]:
        return "plain" if self.augment and "pixels" in self.reads else "all"


Input = Annotated[str, Field(pattern=r"^(pixels|block-\d+)$")]


class TunedConfig(AugmentationConfig):
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
    hue: float = Field(
        0.3, ge=0, le=0.5, description="greatest random shift of the hue, as a share of the colour circle"
    )

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.input,)


class BaselineConfig(ImageConfig):
    """An image network and a linear classifier, trained with cross-entropy: what CAFE is compared with.

    Optimiser and augmentations are those of CAFE, from its paper and its authors' code.
    """

    method: ClassVar[str] = "baseline"
    later_options: ClassVar[frozenset[str]] = frozenset({"cross_entropy_weights", "targets"})

    flip: Chance = Field(0.5, description="chance of a mirror image")
    noise: Chance = Field(0.5, description="chance of Gaussian noise of variance 30 on 0..255 values")
    cross_entropy_weights: CrossEntropyWeights = Field("none", description=CROSS_ENTROPY_WEIGHTS)
    targets: Targets = Field("labels", description=TARGETS)


class FineTuneConfig(TunedConfig):
    """The encoder's image network and a linear classifier on its feature, trained with cross-entropy.

    CLIPER compares with it; of its settings the paper states only that the learning rate was slightly adjusted: the
    others are those of CLIPER's second stage.
    """

    method: ClassVar[str] = "fine-tune"
    later_options: ClassVar[frozenset[str]] = frozenset({"cross_entropy_weights", "targets"})

    lr_classifier: Positive = Field(
        0.001, description="learning rate of the new linear layer, which starts at random, in the first epoch"
    )
    targets: Targets = Field("labels", description=TARGETS)
    cross_entropy_weights: CrossEntropyWeights = Field("none", description=CROSS_ENTROPY_WEIGHTS)
