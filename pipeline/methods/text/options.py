"""The options of zero-shot and kefer."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.learning.options import SCALE, Count, MethodConfig, NonNegative, Positive, Width
from pipeline.learning.spec import ScaleKind
from pipeline.methods.image.options import AugmentationConfig, BackboneName, Input, is_large_backbone

__all__ = ["KeferConfig", "ZeroShotConfig"]


class ZeroShotConfig(MethodConfig):
    """Cosine similarity of the cached feature to the text of each class. Nothing is trained."""

    method: ClassVar[str] = "zero-shot"
    needs_text: ClassVar[bool] = True
    is_random: ClassVar[bool] = False
    is_trained: ClassVar[bool] = False
    draws_frames: ClassVar[bool] = False

    prompt: Literal["ensemble", "logit-ensemble", "last"] | Annotated[int, Field(ge=0)] = Field(
        "ensemble",
        description="the text of a class: ensemble, the mean of its templates' unit vectors, at unit length; "
        "logit-ensemble, the mean of their logits; last, the set's last template; or one template's index",
    )
    temperature: Positive = Field(0.01, description="divides the cosines; it changes probabilities, not the class")


class KeferConfig(AugmentationConfig):
    """KE-FER: similarity to text, with the emotional-to-neutral losses.

    In the paper the visual encoder itself is trained: `backbone` resnet18, swin_tiny or encoder. `feature` trains no
    more than a projection of the cached feature, in seconds, and is not the paper's.
    """

    method: ClassVar[str] = "kefer"
    needs_text: ClassVar[bool] = True
    loss_weight_options: ClassVar[tuple[str, ...]] = ("lambda_s", "lambda_t", "lambda_c")

    backbone: Literal["feature", "encoder"] | BackboneName = Field(
        "feature",
        description="what is trained: a projection of the cached feature; the encoder's own image network; or another "
        "image network on the pixels",
    )
    input: Input = Field(
        "pixels", description="of backbone encoder: pixels, or block-K to train only what comes from block K on"
    )
    pretrained: str = Field(
        "", description="file of an image network's initial weights, .safetensors or a checkpoint of tensors"
    )
    feature_scale: ScaleKind = Field("l2", description=f"of backbone feature. {SCALE}")
    projection: Literal["linear", "none"] = Field(
        "linear",
        description="layer from the feature to the text's space; none: only where both are equally wide, and on the "
        "cached feature of one model",
    )
    prompt: Literal["last", "ensemble"] | Annotated[int, Field(ge=0)] = Field(
        "last",
        description="which text is that of a class: the set's last template (of kefer's nine the paper's choice), the "
        "ensemble of all embeddings, or one template's index",
    )
    temperature: Positive = Field(0.01, description="divides the cosines before the softmax")
    contrast: Literal["self", "contrastive"] = Field(
        "self", description="term c: the self-contrast loss, or contrastive learning, which the paper compares it with"
    )
    updates: Literal["summed", "sequential"] = Field(
        "summed", description="one step on the weighted sum (Eq. 11), or a step each for t, c and s (Algorithm 1)"
    )
    lambda_s: NonNegative = Field(1.0, description="factor of the text similarity loss")
    lambda_t: NonNegative = Field(1.0, description="factor of the transformation loss")
    lambda_c: NonNegative = Field(1.0, description="factor of the contrast loss")
    gamma: NonNegative = Field(2.0, description="shift of the self-contrast loss; it has no gradient")
    neutral_hidden: Width = Field(128, description="hidden width of the network that makes a face neutral")
    text_difference: Literal["normalised", "raw"] = Field(
        "normalised",
        description="difference of texts in the transformation loss: of unit vectors, or of vectors as the text "
        "encoder gave them (Eq. 8 as printed)",
    )
    normalise_difference: bool = Field(
        False, description="bring v and n to unit norm before their difference (the paper does not say)"
    )
    epochs: Count = Field(50, description="passes over the train split")
    warmup_epochs: int = Field(1, ge=0, description="epochs of linear rise before the cosine (the paper does not say)")
    batch_size: Count = Field(64, description="rows per step")
    lr: Positive = Field(0.002, description="SGD's learning rate after the warm-up")
    momentum: float = Field(0.9, ge=0, lt=1, description="SGD's momentum")
    weight_decay: NonNegative = Field(0.0005, description="SGD's L2 penalty")
    crop: float = Field(0.8, gt=0, le=1, description="least share of the image's area that a random crop keeps")
    rotate: float = Field(10.0, ge=0, le=180, description="greatest random rotation to either side, degrees")

    @property
    def needs_encoder(self) -> bool:  # type: ignore[override]  # it depends on an option
        return self.backbone == "encoder"

    @property
    def can_ensemble(self) -> bool:  # type: ignore[override]  # it depends on options
        return self.backbone == "feature" and self.updates == "summed"

    def is_large(self, encoder_parameters: int) -> bool:
        if self.backbone == "encoder":
            return super().is_large(encoder_parameters)
        return self.backbone != "feature" and is_large_backbone(self.backbone)

    @property
    def reads(self) -> tuple[str, ...]:
        if self.backbone == "feature":
            return ("pooled",)
        return (self.input,) if self.backbone == "encoder" else ("pixels",)
