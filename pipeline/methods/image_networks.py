"""What methods share that train an image network on pixels: first weights and augmentations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from pipeline.augment import Augment
from pipeline.methods.configs.image import ImageConfig
from pipeline.methods.protocol import Setup
from pipeline.models.image import ImageHead
from pipeline.models.pretrained import PretrainedWeights, load_pretrained
from pipeline.training import Batch, Learner

__all__ = ["ImageLearner", "start_image_head"]

H = TypeVar("H", bound=ImageHead)


def start_image_head(
    head_class: type[H], kind: str, setup: Setup, config: ImageConfig, options: Mapping[str, Any] | None = None
) -> tuple[H, PretrainedWeights | None]:
    """A head with its first weights: drawn, then those of the file of `config.pretrained`, and what that file gave."""
    options = {"backbone": config.backbone} | dict(options or {})
    head = head_class(setup.spec(kind, options=options, reads=config.reads))
    setup.start(head)
    return head, load_pretrained(head.backbone, Path(config.pretrained)) if config.pretrained else None


class ImageLearner(Learner):
    """A head that reads pixels, which are augmented anew in every step.

    Parameters
    ----------
    head : ImageHead
    augment : Augment
    pretrained : what a file gave the backbone: it becomes a finding
    """

    def __init__(self, head: ImageHead, augment: Augment, pretrained: PretrainedWeights | None) -> None:
        super().__init__()
        self.head: ImageHead = head
        self.augment, self.pretrained = augment, pretrained

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        return self.augment.draw(n, self.head.size, rng)

    def images(self, batch: Batch) -> Tensor:
        """The batch's pixels, augmented as drawn and normalised: float32 (B, 3, S, S)."""
        return self.augment(batch.inputs["pixels"], batch.noise)

    def findings(self) -> dict[str, Any]:
        return {"pretrained": self.pretrained.as_json()} if self.pretrained else {}
