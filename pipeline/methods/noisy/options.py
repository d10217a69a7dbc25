"""The options of scn, rul and eac."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.learning.options import (
    CROSS_ENTROPY_WEIGHTS,
    Count,
    CrossEntropyWeights,
    NonNegative,
    Positive,
    Width,
)
from pipeline.methods.image.options import Chance, ImageConfig

__all__ = ["EacConfig", "RulConfig", "ScnConfig"]


class ScnConfig(ImageConfig):
    """Self-Cure Network: images weigh their own loss, and labels that the network doubts are replaced.

    Losses and relabelling are the paper's; the optimiser's settings are those of the authors' code, which trains on one
    GPU. There a batch of 64 goes with `margin_rank: 0.07`: the paper's 0.15 belongs to batches of 1024.
    """

    method: ClassVar[str] = "scn"
    later_options: ClassVar[frozenset[str]] = frozenset({"cross_entropy_weights"})

    batch_size: Count = Field(64, description="rows per step")
    epochs: Count = Field(70, description="passes over the train split")
    lr: Positive = Field(0.001, description="Adam's learning rate in the first epoch")
    flip_or_noise: Chance = Field(0.5, description="chance that an image is either mirrored or gets noise, half each")
    high_share: float = Field(0.7, gt=0, lt=1, description="share of a batch that counts as of high importance (beta)")
    margin_rank: NonNegative = Field(0.15, description="by which high importance must exceed low on average (delta 1)")
    lambda_wce: NonNegative = Field(0.5, description="factor of the logit-weighted cross-entropy; 1 in the code")
    lambda_rr: NonNegative = Field(0.5, description="factor of the rank regularization loss; 1 in the code")
    relabel: Literal["low", "all", "none"] = Field(
        "low", description="which rows may get a new label: those of low importance (paper), or all (code)"
    )
    relabel_from: Count = Field(10, description="first epoch that relabels, counted from 1")
    margin_relabel: NonNegative = Field(
        0.2, description="by which the predicted class's probability must exceed the label's (delta 2)"
    )
    cross_entropy_weights: CrossEntropyWeights = Field("none", description=CROSS_ENTROPY_WEIGHTS)


class RulConfig(ImageConfig):
    """Relative Uncertainty Learning: features of two faces are mixed by their uncertainties, and both must be found."""

    method: ClassVar[str] = "rul"

    batch_size: Count = Field(64, description="rows per step")
    flip_or_noise: Chance = Field(0.5, description="chance that an image is either mirrored or gets noise, half each")
    dimensions: Width = Field(64, description="width of the embedding that is mixed")
    dropout: float = Field(0.4, ge=0, lt=1, description="share of the maps' values dropped before the embedding")
    lr_classifier: Positive = Field(0.002, description="Adam's learning rate of the classifier in the first epoch")


class EacConfig(ImageConfig):
    """Erasing Attention Consistency: attention to an erased face and to its mirror image must agree.

    The learning rate is what the authors advise for ResNet-18; with `backbone: resnet50` they use 0.0001.
    """

    method: ClassVar[str] = "eac"
    later_options: ClassVar[frozenset[str]] = frozenset({"cross_entropy_weights"})

    noise: Chance = Field(0.5, description="chance of Gaussian noise of variance 30 on 0..255 values")
    lambda_consistency: NonNegative = Field(5.0, description="factor of the flip consistency loss")
    mirrored: Literal["augmented", "plain"] = Field(
        "augmented",
        description="what the second image mirrors: the first one, noise and erasing and all, or the plain image, "
        "erased separately (authors' code for noisy labels)",
    )
    cross_entropy_weights: CrossEntropyWeights = Field("none", description=CROSS_ENTROPY_WEIGHTS)
