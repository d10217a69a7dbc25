"""The options of coop, cocoop, metd and cliper."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.learning.options import (
    CROSS_ENTROPY_WEIGHTS,
    Count,
    CrossEntropyWeights,
    LoopConfig,
    NonNegative,
    Positive,
    Width,
)
from pipeline.methods.image.options import TunedConfig

__all__ = [
    "CONTEXT",
    "CliperConfig",
    "CocoopConfig",
    "ContextConfig",
    "ContextUse",
    "CoopConfig",
    "EmptySubclass",
    "MetdConfig",
]

ContextUse = Literal["truncated", "full"]
EmptySubclass = Literal["skip", "code"]

CONTEXT = (
    "truncated: the text tower computes only positions that a prompt uses, and shared ones once; "
    "full: all of its context, as the authors' code does. Equal to rounding"
)


class ContextConfig(LoopConfig):
    """Learned tokens beside the class names, by SGD with one slow epoch first."""

    needs_encoder: ClassVar[bool] = True
    later_options: ClassVar[frozenset[str]] = frozenset({"cross_entropy_weights"})

    tokens: Width = Field(16, description="M, learned tokens; with `words`, their number counts instead")
    words: str = Field("", description="words that the tokens begin as; empty: normal numbers")
    init_std: Positive = Field(0.02, description="deviation of the numbers that tokens begin as, without `words`")
    suffix: str = Field(".", description="what ends every prompt (a full stop in the authors' code); may be empty")
    context: ContextUse = Field("truncated", description=CONTEXT)
    epochs: Count = Field(50, description="passes over the train split")
    batch_size: Count = Field(32, description="rows per step")
    lr: Positive = Field(0.002, description="SGD's learning rate after the warm-up")
    warmup_epochs: int = Field(1, ge=0, description="epochs at `warmup_lr` before the cosine")
    warmup_lr: Positive = Field(0.00001, description="learning rate of the warm-up")
    momentum: float = Field(0.9, ge=0, lt=1, description="SGD's momentum")
    weight_decay: NonNegative = Field(0.0005, description="SGD's L2 penalty")
    cross_entropy_weights: CrossEntropyWeights = Field("none", description=CROSS_ENTROPY_WEIGHTS)


class CoopConfig(ContextConfig):
    """CoOp: a learned context of the class names in the place of `a photo of a`."""

    method: ClassVar[str] = "coop"

    class_specific: bool = Field(False, description="every class learns a context of its own")
    class_position: Literal["end", "middle", "front"] = Field(
        "end", description="position of the class name among the tokens"
    )


class CocoopConfig(ContextConfig):
    """CoCoOp: a learned context that a small network shifts for every image.

    The text tower runs for every image and class, in training as at test: expect minutes where coop takes seconds.
    """

    method: ClassVar[str] = "cocoop"

    words: str = Field("a photo of a", description="words that the tokens begin as; empty: normal numbers")
    reduction: Count = Field(16, description="the network's hidden layer is this many times narrower than the feature")
    epochs: Count = Field(10, description="passes over the train split")
    batch_size: Count = Field(1, description="rows per step")


class MetdConfig(LoopConfig):
    """METD, the first stage of CLIPER: several learned descriptors per class, without the class's name."""

    method: ClassVar[str] = "metd"
    needs_encoder: ClassVar[bool] = True

    descriptors: Width = Field(5, description="K, descriptors per class")
    tokens: Width = Field(4, description="M, learned tokens of each descriptor")
    prefix: str = Field("an ID photo of", description="words before the tokens")
    suffix: str = Field(".", description="what ends every descriptor; may be empty")
    init_std: Positive = Field(0.001, description="deviation of the numbers that tokens begin as (the code's)")
    temperature: Positive = Field(0.01, description="divides the cosines before the softmax")
    lambda_fine: NonNegative = Field(1.0, description="factor of the fine-grained loss")
    lambda_margin: NonNegative = Field(1.0, description="factor of the margin loss")
    modulating_factor: bool = Field(
        True, description="weigh images of rare subclasses up in the fine-grained loss; false: all alike (an ablation)"
    )
    empty_subclass: EmptySubclass = Field(
        "skip", description="a descriptor that is closest to no image of the batch: left out, or -1/99 images (code)"
    )
    context: ContextUse = Field("truncated", description=CONTEXT)
    epochs: Count = Field(2, description="passes over the train split")
    batch_size: Count = Field(128, description="rows per step")
    lr: Positive = Field(0.01, description="AdamW's learning rate, constant (the code's)")
    eps: Positive = Field(0.0001, description="AdamW's eps (made for half precision)")
    weight_decay: NonNegative = Field(0.0, description="AdamW's weight decay")


class CliperConfig(TunedConfig):
    """CLIPER: descriptors are learned against the cached feature, then the image network against the descriptors.

    One descriptor per class (`descriptors: 1`) is the two-stage row of the paper's comparison of strategies.
    """

    method: ClassVar[str] = "cliper"

    descriptors: Width = Field(5, description="K, descriptors per class")
    tokens: Width = Field(4, description="M, learned tokens of each descriptor")
    prefix: str = Field("an ID photo of", description="words before the tokens")
    temperature: Positive = Field(0.01, description="divides the cosines before the softmax, in both stages")
    lambda_fine: NonNegative = Field(1.0, description="factor of the fine-grained loss, in both stages")
    lambda_margin: NonNegative = Field(1.0, description="factor of the margin loss, in both stages")
    modulating_factor: bool = Field(
        True, description="weigh images of rare subclasses up in the fine-grained loss; false: all alike (an ablation)"
    )
    empty_subclass: EmptySubclass = Field(
        "skip", description="a descriptor that is closest to no image of the batch: left out, or -1/99 images (code)"
    )
    first_epochs: Count = Field(2, description="of the first stage: passes over the train split")
    first_lr: Positive = Field(0.01, description="of the first stage: AdamW's learning rate, constant (the code's)")

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.input, "pooled")

    @property
    def first_stage(self) -> MetdConfig:
        """The first stage as metd's own options; what they share is equal."""
        shared = ("descriptors", "tokens", "prefix", "temperature", "lambda_fine", "lambda_margin")
        others = ("modulating_factor", "empty_subclass", "eps", "batch_size", "balanced", "select_by")
        return MetdConfig(
            **{name: getattr(self, name) for name in (*shared, *others)},
            epochs=self.first_epochs,
            lr=self.first_lr,
        )
