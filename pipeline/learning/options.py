"""What the options of all methods share. No torch here: params.yaml is checked with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.learning.metrics import METRICS
from pipeline.learning.spec import MAX_DIMENSION
from pipeline.tables.sample import Unit

__all__ = [
    "CLIP_OPTIONS",
    "CROSS_ENTROPY_WEIGHTS",
    "LARGE_NETWORK",
    "SCALE",
    "TARGETS",
    "AdamConfig",
    "Count",
    "CrossEntropyWeights",
    "LoopConfig",
    "MethodConfig",
    "NonNegative",
    "Positive",
    "SelectBy",
    "Targets",
    "Width",
]


if TYPE_CHECKING:
    SelectBy = str
else:
    SelectBy = Literal[*METRICS, "last"]  # last: no score selects, the last epoch is taken

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]  # of epochs, rows or steps
Width = Annotated[int, Field(ge=1, le=MAX_DIMENSION)]  # of a layer, and what else decides how large a head is

SCALE = (
    "raw: the feature as encoded; l2: unit norm times sqrt(D); "
    "standard: per-channel mean 0 and deviation 1 of the train split"
)
Targets = Literal["labels", "distribution"]
TARGETS = (
    "what the classifier's cross-entropy learns: the label of a row, or its distribution over the classes, which the "
    "dataset must have (soft labels); validation always scores labels"
)
CrossEntropyWeights = Literal["none", "balanced"]
CROSS_ENTROPY_WEIGHTS = (
    "of the classes in the classifier's cross-entropy: none, all alike; balanced: N / (C * n) for a class of n of the "
    "N train rows, as scikit-learn's class_weight. With balanced: true classes would be evened out twice"
)
CLIP_OPTIONS = ("clip_frames", "clip_sampling")  # of no effect on images
LARGE_NETWORK = 20_000_000  # parameters of an image network: mini has 3 million, ViT-B-32 88


class MethodConfig(BaseModel):
    """What changes a head, and nothing else. Frozen, strict, unknown keys refused.

    `needs_text` and `needs_encoder` state what `Method.fit` needs beside the features. `is_trained` is False
    where nothing is learned from the train split, so that every dataset is an unseen one.
    `loss_weight_options` names options that are only weights of loss terms. Where a method `can_ensemble`, heads that
    differ in these alone, or in the seed, are trained as one ensemble: one batch of networks. `later_options` are those
    that a class and its subclasses were given after heads of it existed: see `recorded`.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    method: ClassVar[str]
    needs_text: ClassVar[bool] = False
    needs_encoder: ClassVar[bool] = False
    is_trained: ClassVar[bool] = True
    draws_frames: ClassVar[bool] = True  # False: what is read of a clip is the same in all of the training
    is_random: ClassVar[bool] = True  # False: every seed gives the same head, so one seed is enough
    can_ensemble: ClassVar[bool] = False
    loss_weight_options: ClassVar[tuple[str, ...]] = ()
    later_options: ClassVar[frozenset[str]] = frozenset(CLIP_OPTIONS)

    select_by: SelectBy = Field(
        "accuracy",
        description="validation score that chooses the epoch (or the C), the earliest of equals wins; last: the last "
        "epoch, whatever it scores",
    )

    clip_frames: Annotated[int, Field(ge=1, le=1024)] = Field(
        16, description="frames of a clip that are read, one of each of as many segments; of no effect on images"
    )
    clip_sampling: Literal["random", "centre"] = Field(
        "random",
        description="frames of a clip that training reads: a random one of each segment, drawn again in each epoch, or "
        "its centre, as at prediction; methods that take the whole split at once read centres",
    )

    @model_validator(mode="after")
    def _weighs_labels_only(self) -> Self:
        if self.learns_distributions and self.weighs_classes:
            # Torch divides by the sum of the weights for labels, and by the number of rows for distributions.
            raise ValueError("cross_entropy_weights: balanced weighs labels, not distributions: leave out one of both")
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        """The outputs of a store that the method learns from."""
        return ("pooled",)

    @property
    def learns_distributions(self) -> bool:
        """Whether it learns from soft labels."""
        return getattr(self, "targets", "labels") == "distribution"

    @property
    def weighs_classes(self) -> bool:
        """Whether rows of rare classes count more in the classifier's cross-entropy."""
        return getattr(self, "cross_entropy_weights", "none") == "balanced"

    def recorded(self, mode: Literal["python", "json"] = "python") -> dict[str, Any]:
        """The options as records and run keys have them: a later option with its default is left out.

        Heads of before it existed have the same options as heads that are trained with the default now.
        """
        fields = type(self).model_fields
        later = {name for base in type(self).__mro__ for name in vars(base).get("later_options", ())}
        unset = {name for name in later if getattr(self, name) == fields[name].default}
        return self.model_dump(mode=mode, exclude=unset)

    def of_effect_on(self, unit: Unit) -> Self:
        """The options as they are of effect where units are images, or clips: equal heads have equal options.

        Of images no frames are chosen, so what would be chosen is the default. A method that takes the whole split at
        once reads the centres of segments, whatever `clip_sampling` is.
        """
        if unit == "image":
            fields = type(self).model_fields
            return self.model_copy(update={name: fields[name].default for name in CLIP_OPTIONS})
        return self if self.draws_frames else self.model_copy(update={"clip_sampling": "centre"})

    @property
    def uses_encoder(self) -> bool:
        """Whether the result depends on the frozen encoder: that of an image network on pixels alone does not."""
        return self.needs_text or self.needs_encoder or self.reads != ("pixels",)

    def is_large(self, encoder_parameters: int) -> bool:
        """Whether a step is long enough to be shared by all cores; other heads have a core each, side by side.

        Parameters
        ----------
        encoder_parameters : of the encoder's image network, where the method needs the encoder
        """
        return self.needs_encoder and encoder_parameters >= LARGE_NETWORK

    @property
    def views(self) -> Literal["all", "plain"]:
        """Which views of the train split it learns from: `plain` if it draws its own augmentations."""
        return "all"


class LoopConfig(MethodConfig):
    """What methods share that learn epoch by epoch."""

    balanced: bool = Field(False, description="draw every class equally often in an epoch, with replacement")


class AdamConfig(LoopConfig):
    """CAFE's optimiser, and that of the methods for noisy labels. Defaults are CAFE's for RAF-DB."""

    epochs: Count = Field(60, description="passes over the train split")
    batch_size: Count = Field(32, description="rows per step")
    lr: Positive = Field(0.0002, description="Adam's learning rate in the first epoch")
    lr_decay: float = Field(0.9, gt=0, le=1, description="factor on the learning rate after every epoch")
    weight_decay: NonNegative = Field(0.0001, description="Adam's L2 penalty")
