"""The options of methods that are trained with Adam and a learning rate that falls after every epoch."""

from __future__ import annotations

from pydantic import Field

from pipeline.methods.configs.base import Count, LoopConfig, NonNegative, Positive

__all__ = ["AdamConfig"]


class AdamConfig(LoopConfig):
    """CAFE's optimiser, and that of the methods for noisy labels. Defaults are CAFE's for RAF-DB."""

    epochs: Count = Field(60, description="passes over the train split")
    batch_size: Count = Field(32, description="rows per step")
    lr: Positive = Field(0.0002, description="Adam's learning rate in the first epoch")
    lr_decay: float = Field(0.9, gt=0, le=1, description="factor on the learning rate after every epoch")
    weight_decay: NonNegative = Field(0.0001, description="Adam's L2 penalty")
