"""A mask on the frozen feature: which channels speak of the expression."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.models.head import Head
from pipeline.models.layers import empty_linear, reset_linear
from pipeline.models.spec import HeadSpec

__all__ = ["FeatureMaskHead"]


class FeatureMaskHead(Head):
    """A small network reads the feature and gates each of its channels; a linear layer classifies what is left.

    Equations: M = sigmoid(f(x)), gated = M * x, logits = W gated + b   [CAFE, Eqs. 1-3]

    Options: `hidden` (width of f's hidden layer), `sigmoid` (False uses f(x) itself as the mask).

    Notes
    -----
    In the paper f sees the pixels (a ResNet-18) and x is CLIP's feature. Here f sees the cached feature too.
    """

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        hidden = spec.options["hidden"]
        self.sigmoid: bool = spec.options["sigmoid"]
        # Leaky: a unit that never fires leaves Adam with denormal numbers, which made late epochs five times slower.
        self.mask = nn.Sequential(empty_linear(spec.width, hidden), nn.LeakyReLU(), empty_linear(hidden, spec.width))
        self.classifier = empty_linear(spec.width, len(spec.classes))

    def reset(self, rng: torch.Generator) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                reset_linear(layer, rng)

    def gate(self, scaled: Tensor) -> Tensor:
        """The masked feature: float32 (B, D) -> float32 (B, D)."""
        mask: Tensor = self.mask(scaled)
        return scaled * (mask.sigmoid() if self.sigmoid else mask)

    def logits(self, scaled: Tensor) -> Tensor:
        output: Tensor = self.classifier(self.gate(scaled))
        return output
