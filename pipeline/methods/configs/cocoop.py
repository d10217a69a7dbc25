"""The options of cocoop."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.methods.configs.base import Count
from pipeline.methods.configs.context import ContextConfig

__all__ = ["CONFIG", "CocoopConfig"]


class CocoopConfig(ContextConfig):
    """CoCoOp: a learned context that a small network shifts for every image.

    The text tower runs for every image and class, in training as at test: expect minutes where coop takes seconds.
    """

    method: ClassVar[str] = "cocoop"

    words: str = Field("a photo of a", description="words that the tokens begin as; empty: normal numbers")
    reduction: Count = Field(16, description="the network's hidden layer is this many times narrower than the feature")
    epochs: Count = Field(10, description="passes over the train split")
    batch_size: Count = Field(1, description="rows per step")


CONFIG = CocoopConfig
