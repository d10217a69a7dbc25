"""The options of metd."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.methods.configs.base import Count, LoopConfig, NonNegative, Positive, Width
from pipeline.methods.configs.context import CONTEXT

__all__ = ["CONFIG", "MetdConfig"]


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
    empty_subclass: Literal["skip", "code"] = Field(
        "skip", description="a descriptor that is closest to no image of the batch: left out, or -1/99 images (code)"
    )
    context: Literal["truncated", "full"] = Field("truncated", description=CONTEXT)
    epochs: Count = Field(2, description="passes over the train split")
    batch_size: Count = Field(128, description="rows per step")
    lr: Positive = Field(0.01, description="AdamW's learning rate, constant (the code's)")
    eps: Positive = Field(0.0001, description="AdamW's eps (made for half precision)")
    weight_decay: NonNegative = Field(0.0, description="AdamW's weight decay")


CONFIG = MetdConfig
