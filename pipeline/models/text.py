"""Classification by similarity to text vectors, which travel with the head."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import MismatchError
from pipeline.models.head import Head
from pipeline.models.layers import empty_linear, reset_linear
from pipeline.models.spec import HeadSpec

__all__ = ["TextSimilarityHead"]


class TextSimilarityHead(Head):
    """The feature is brought into the space of the text vectors; the nearest text names the class.

    Equation: logits[b, c] = cos(t_c, v_b) / temperature   [KE-FER, Eq. 4]

    Options: `text_width`, `projection` (linear, or none where the widths are equal), `temperature`.
    """

    text: Tensor

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.text_width: int = spec.options["text_width"]
        self.temperature: float = spec.options["temperature"]
        self.project: nn.Module = nn.Identity()
        if spec.options["projection"] == "linear":
            self.project = empty_linear(spec.width, self.text_width)
        elif spec.width != self.text_width:
            raise MismatchError(
                f"text head without projection: expected features as wide as the text, {self.text_width}, "
                f"found {spec.width}. Use projection: linear, or the text tower of the same encoder"
            )
        self.register_buffer("text", torch.zeros(len(spec.classes), self.text_width))

    def reset(self, rng: torch.Generator) -> None:
        """Start as the identity (zero-shot) where both spaces have one width, else at random."""
        if isinstance(self.project, nn.Linear):
            reset_linear(self.project, rng)
            if self.spec.width == self.text_width:
                nn.init.eye_(self.project.weight)
                nn.init.zeros_(self.project.bias)

    def set_text(self, vectors: npt.NDArray[np.float32]) -> None:
        """Take the text vectors, float32 (C, text_width), in the order of the classes."""
        self.text.copy_(torch.tensor(vectors))

    def embed(self, scaled: Tensor) -> Tensor:
        """The face in the space of the text: float32 (B, D) -> float32 (B, text_width)."""
        vectors: Tensor = self.project(scaled)
        return vectors

    def logits(self, scaled: Tensor) -> Tensor:
        vectors = functional.normalize(self.embed(scaled), dim=1)
        return vectors @ functional.normalize(self.text, dim=1).T / self.temperature
