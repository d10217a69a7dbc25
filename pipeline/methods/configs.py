"""The options of every method: what changes a head, and nothing else. No torch here: params.yaml is checked with it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.metrics import SelectBy
from pipeline.models.spec import ScaleKind

__all__ = ["FeatureMaskConfig", "KeferConfig", "LinearProbeConfig", "MethodConfig"]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]

_SCALE = (
    "raw: the feature as encoded; l2: unit norm times sqrt(D); "
    "standard: per-channel mean 0 and deviation 1 of the train split"
)


class MethodConfig(BaseModel):
    """What all methods share. Frozen, strict, unknown keys refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    method: ClassVar[str]
    needs_text: ClassVar[bool] = False
    is_random: ClassVar[bool] = True  # False: every seed gives the same head, so one seed is enough

    select_by: SelectBy = Field(
        "accuracy", description="validation score that chooses the epoch (or the C); the earliest of equals wins"
    )


class _LoopConfig(MethodConfig):
    balanced: bool = Field(False, description="draw every class equally often in an epoch, with replacement")


class FeatureMaskConfig(_LoopConfig):
    """A sigmoid mask on the cached feature, trained with CAFE's three losses.

    Not CAFE as published: its mask network reads the pixels. Losses and their factors are the paper's; the optimiser's
    settings are this light network's own (the paper's ResNet-18: lr 0.0002, lr_decay 0.9, batch 32). Features are
    standardised by default: the best channel of a group then says something about the face whatever the encoder,
    where a raw group is won by the channel with the greatest mean.
    """

    method: ClassVar[str] = "feature-mask"

    feature_scale: ScaleKind = Field("standard", description=_SCALE)
    hidden: Count = Field(256, description="width of the mask network's hidden layer")
    sigmoid: bool = Field(True, description="false: the mask network's output itself is the mask (paper's ablation)")
    lambda_sep: NonNegative = Field(1.5, description="factor of the channel separation loss")
    beta_div: NonNegative = Field(5.0, description="factor of the channel diversity loss")
    div_norm: Literal["paper", "code"] = Field(
        "paper", description="divide the sum over classes by the group's size (paper), or also by the classes (code)"
    )
    pool_remainder: bool = Field(
        True, description="channels beyond C equal groups belong to the last class; false: to none, as in the code"
    )
    drop_rate: float = Field(10 / 73, ge=0, lt=1, description="share of every group's channels dropped for separation")
    drop_shared: Literal["batch", "sample"] = Field("batch", description="one drop mask per batch (code) or per sample")
    epochs: Count = Field(60, description="passes over the train split")
    batch_size: Count = Field(128, description="rows per step")
    lr: Positive = Field(0.001, description="Adam's learning rate in the first epoch")
    lr_decay: float = Field(0.95, gt=0, le=1, description="factor on the learning rate after every epoch")
    weight_decay: NonNegative = Field(0.0001, description="Adam's L2 penalty")


class KeferConfig(_LoopConfig):
    """KE-FER on the cached feature: similarity to text, with the emotional-to-neutral losses.

    In the paper the visual encoder itself is trained; here only a projection of its frozen feature is.
    """

    method: ClassVar[str] = "kefer"
    needs_text: ClassVar[bool] = True

    feature_scale: ScaleKind = Field("l2", description=_SCALE)
    projection: Literal["linear", "none"] = Field(
        "linear",
        description="layer from the feature to the text's space; none leaves nothing to train at test: zero-shot",
    )
    prompt: Literal["ensemble"] | Annotated[int, Field(ge=0)] = Field(
        "ensemble", description="which text vector stands for a class: the templates' ensemble, or one template's index"
    )
    temperature: Positive = Field(0.01, description="divides the cosines before the softmax")
    lambda_s: NonNegative = Field(1.0, description="factor of the text similarity loss")
    lambda_t: NonNegative = Field(1.0, description="factor of the transformation loss")
    lambda_c: NonNegative = Field(1.0, description="factor of the self-contrast loss")
    gamma: NonNegative = Field(2.0, description="shift of the self-contrast loss; it has no gradient")
    neutral_hidden: Count = Field(128, description="hidden width of the network that makes a face neutral")
    normalise_difference: bool = Field(
        False, description="bring v and n to unit norm before their difference (the paper does not say)"
    )
    epochs: Count = Field(50, description="passes over the train split")
    warmup_epochs: int = Field(1, ge=0, description="epochs of linear rise before the cosine (the paper does not say)")
    batch_size: Count = Field(64, description="rows per step")
    lr: Positive = Field(0.002, description="SGD's learning rate after the warm-up")
    momentum: float = Field(0.9, ge=0, lt=1, description="SGD's momentum")
    weight_decay: NonNegative = Field(0.0005, description="SGD's L2 penalty")


class LinearProbeConfig(MethodConfig):
    """Logistic regression; the inverse penalty C is chosen on the validation split."""

    method: ClassVar[str] = "linear-probe"
    is_random: ClassVar[bool] = False

    feature_scale: ScaleKind = Field("raw", description=_SCALE)
    min_log10_c: int = Field(-6, ge=-12, le=12, description="the search begins at C = 10 ** this")
    max_log10_c: int = Field(6, ge=-12, le=12, description="the search ends at C = 10 ** this")
    refinements: int = Field(3, ge=0, le=8, description="times that the step around the best C is halved")
    max_iterations: Count = Field(1000, description="L-BFGS iterations per C")
