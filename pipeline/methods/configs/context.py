"""The options that methods share which learn the context of class names: CoOp and CoCoOp."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.methods.configs.base import Count, LoopConfig, NonNegative, Positive, Width

__all__ = ["CONTEXT", "ContextConfig"]

CONTEXT = (
    "truncated: the text tower computes only positions that a prompt uses, and shared ones once; "
    "full: all of its context, as the authors' code does. Equal to rounding"
)


class ContextConfig(LoopConfig):
    """Learned tokens beside the class names, by SGD with one slow epoch first."""

    needs_encoder: ClassVar[bool] = True

    tokens: Width = Field(16, description="M, learned tokens; with `words`, their number counts instead")
    words: str = Field("", description="words that the tokens begin as; empty: normal numbers")
    init_std: Positive = Field(0.02, description="deviation of the numbers that tokens begin as, without `words`")
    suffix: str = Field(".", description="what ends every prompt (a full stop in the authors' code); may be empty")
    context: Literal["truncated", "full"] = Field("truncated", description=CONTEXT)
    epochs: Count = Field(50, description="passes over the train split")
    batch_size: Count = Field(32, description="rows per step")
    lr: Positive = Field(0.002, description="SGD's learning rate after the warm-up")
    warmup_epochs: int = Field(1, ge=0, description="epochs at `warmup_lr` before the cosine")
    warmup_lr: Positive = Field(0.00001, description="learning rate of the warm-up")
    momentum: float = Field(0.9, ge=0, lt=1, description="SGD's momentum")
    weight_decay: NonNegative = Field(0.0005, description="SGD's L2 penalty")
