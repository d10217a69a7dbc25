"""What methods share that train an image network on pixels: first weights and augmentations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from pipeline.images.augment import Augment
from pipeline.methods.configs.image import ImageConfig
from pipeline.methods.protocol import Setup
from pipeline.models.image import ImageHead
from pipeline.models.pretrained import start_from_file
from pipeline.training import Batch, Learner

__all__ = ["ImageLearner", "start_image_head"]

H = TypeVar("H", bound=ImageHead)


def start_image_head(
    head_class: type[H], kind: str, setup: Setup, config: ImageConfig, options: Mapping[str, Any] | None = None
) -> tuple[H, dict[str, Any]]:
    """A head with its first weights: drawn, then those of the file of `config.pretrained`, and what that file gave."""
    options = {"backbone": config.backbone} | dict(options or {})
    head = head_class(setup.spec(kind, options=options, reads=config.reads))
    setup.start(head)
    return head, start_from_file(head.backbone, config.pretrained)


class ImageLearner(Learner):
    """A head that reads pixels, which are augmented anew in every step.

    Parameters
    ----------
    head : ImageHead
    augment : Augment
    found : what `findings` is to tell
    """

    def __init__(self, head: ImageHead, augment: Augment, found: Mapping[str, Any] | None) -> None:
        super().__init__()
        self.head: ImageHead = head
        self.augment = augment
        self.found = found or {}

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        return self.augment.draw(n, self.head.size, rng)

    def images(self, batch: Batch) -> Tensor:
        """The batch's pixels, augmented as drawn and normalised: float32 (B, 3, S, S)."""
        return self.augment(batch.inputs["pixels"], batch.noise)
