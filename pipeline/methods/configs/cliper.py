"""The options of cliper."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.methods.configs.base import Count, NonNegative, Positive, Width
from pipeline.methods.configs.metd import MetdConfig
from pipeline.methods.configs.tuned import TunedConfig

__all__ = ["CONFIG", "CliperConfig"]


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
    empty_subclass: Literal["skip", "code"] = Field(
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


CONFIG = CliperConfig
