"""One linear layer on the feature."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.learning.head import Head, Inputs
from pipeline.learning.layers import empty_linear, reset_linear
from pipeline.learning.spec import HeadSpec

__all__ = ["LinearHead"]


class LinearHead(Head, kind="linear"):
    """logits = W x + b. It has no options."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.classifier = empty_linear(spec.width, len(spec.classes))

    def reset(self, rng: torch.Generator) -> None:
        reset_linear(self.classifier, rng)

    def logits(self, inputs: Inputs) -> Tensor:
        output: Tensor = self.classifier(self.scale(inputs["pooled"]))
        return output
