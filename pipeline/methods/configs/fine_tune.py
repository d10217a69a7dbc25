"""The options of fine-tune."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.methods.configs.base import Positive
from pipeline.methods.configs.tuned import TunedConfig

__all__ = ["CONFIG", "FineTuneConfig"]


class FineTuneConfig(TunedConfig):
    """The encoder's image network and a linear classifier on its feature, trained with cross-entropy.

    CLIPER compares with it and says of its settings only that the learning rate was slightly adjusted: the others are
    those of CLIPER's second stage.
    """

    method: ClassVar[str] = "fine-tune"

    lr_classifier: Positive = Field(
        0.001, description="learning rate of the new linear layer, which starts at random, in the first epoch"
    )


CONFIG = FineTuneConfig
