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
    """

    descriptors: Tensor

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.temperature: float = spec.options["temperature"]
        shape = (len(spec.classes), spec.options["n_descriptors"], spec.width)
        self.register_buffer("descriptors", torch.zeros(shape))

    def reset(self, rng: torch.Generator) -> None:
        """Nothing to draw: `set_descriptors` gives it its values."""

    def set_descriptors(self, vectors: Tensor) -> None:
        """Take the vectors, float32 (C, K, D), in the order of the classes."""
        self.descriptors.copy_(vectors.detach())

    def logits(self, inputs: Inputs) -> Tensor:
        return descriptor_logits(descriptor_cosines(self.scale(inputs["pooled"]), self.descriptors), self.temperature)
