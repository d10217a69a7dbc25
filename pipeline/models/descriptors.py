"""Classification by similarity to several text descriptors per class, which travel with the head."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.losses.descriptors import descriptor_cosines, descriptor_logits
from pipeline.models.head import Head, Inputs
from pipeline.models.spec import HeadSpec

__all__ = ["DescriptorHead"]


class DescriptorHead(Head):
    """What is left of learned prompts: the vectors that the text tower made of them. It needs no tower.

    Equation: logits[b, c] = (1 / K) * sum_j cos(v_b, T_c^j) / temperature   [CLIPER, Eq. 11]

    Options: `n_descriptors` (K; 1 is a prompt per class, as in CoOp), `temperature`.

    Parameters
    ----------
    spec : HeadSpec
    width : D of what `see` gives; by default that of the cached feature
    """

    descriptors: Tensor

    def __init__(self, spec: HeadSpec, width: int | None = None) -> None:
        super().__init__(spec)
        self.temperature: float = spec.options["temperature"]
        shape = (len(spec.classes), spec.options["n_descriptors"], spec.width if width is None else width)
        self.register_buffer("descriptors", torch.zeros(shape))

    def reset(self, rng: torch.Generator) -> None:
        """Nothing to draw: `set_descriptors` gives it its values."""

    def set_descriptors(self, vectors: Tensor) -> None:
        """Take the vectors, float32 (C, K, D), in the order of the classes."""
        self.descriptors.copy_(vectors.detach())

    def see(self, inputs: Inputs) -> Tensor:
        """Faces, as the store keeps them, to the features that are compared, float32 (B, D)."""
        scaled: Tensor = self.scale(inputs["pooled"])
        return scaled

    def cosines(self, features: Tensor) -> Tensor:
        """Features, float32 (B, D), to all descriptors: float32 (B, C, K)."""
        return descriptor_cosines(features, self.descriptors)

    def logits(self, inputs: Inputs) -> Tensor:
        return descriptor_logits(self.cosines(self.see(inputs)), self.temperature)
