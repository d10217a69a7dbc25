"""Learners whose head sees faces as the store keeps them, or with augmentations drawn for every batch."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.images.augment import Augment
from pipeline.images.distort import Distort, DistortAndAugment
from pipeline.methods.configs.drawn import DrawnConfig
from pipeline.models.head import Inputs
from pipeline.training import Batch, Learner

__all__ = ["SeeingLearner"]


class SeeingLearner(Learner):
    """Gives `terms` what its head is to see.

    Parameters
    ----------
    config : its augmentations are drawn where pixels are learnt from
    """

    def __init__(self, config: DrawnConfig) -> None:
        super().__init__()
        self.augmentation: DistortAndAugment | None = None
        if config.views == "plain":
            self.augmentation = DistortAndAugment(
                Distort(
                    crop_area=(config.crop, 1.0),
                    crop_aspect=(1 / config.crop_aspect, config.crop_aspect),
                    angle=config.rotate,
                    brightness=config.brightness,
                    hue=config.hue,
                ),
                Augment(flip=config.flip, noise=0.0, erase=config.erase),
            )

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        if self.augmentation is None:
            return {}
        return self.augmentation.draw(n, self.head.spec.inputs["pixels"][0], rng)

    def seen(self, batch: Batch) -> Inputs:
        """The batch's inputs, or its pixels as augmented `images`."""
        if self.augmentation is None:
            return batch.inputs
        return {"images": self.augmentation(batch.inputs["pixels"], batch.noise)}
