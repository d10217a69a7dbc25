"""eac: Erasing Attention Consistency, which wants one attention for a face and its mirror image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.images.augment import Augment
from pipeline.losses.noisy_labels import attention_maps, flip_consistency_loss
from pipeline.methods.configs.eac import EacConfig
from pipeline.methods.protocol import Method, Setup, by_loop
from pipeline.methods.shared.adam import adam_recipe
from pipeline.methods.shared.image_networks import ImageLearner, start_image_head
from pipeline.models.image import ImageHead
from pipeline.training import Batch, Learner, Recipe

__all__ = ["METHOD", "EacLearner"]

_MIRRORED = "mirrored_"  # before the names of what is drawn for the second image


class EacLearner(ImageLearner):
    """Terms cls and consistency: loss = cls + lambda_consistency * consistency   [EAC]

    Labels are learnt from the first image alone; the second is only there to be agreed with.
    """

    def __init__(self, head: ImageHead, config: EacConfig, found: Mapping[str, Any] | None = None) -> None:
        super().__init__(head, Augment(flip=0.0, noise=config.noise, erase=config.erase), found)
        self.weights = {"cls": 1.0, "consistency": config.lambda_consistency}
        anew = config.mirrored == "plain"
        self.augment_mirrored = Augment(flip=1.0, noise=0.0, erase=config.erase) if anew else None

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        drawn = super().draw(n, rng)
        if self.augment_mirrored:
            anew = self.augment_mirrored.draw(n, self.head.size, rng)
            drawn |= {f"{_MIRRORED}{name}": values for name, values in anew.items()}
        return drawn

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        images, head = self.images(batch), self.head
        maps, maps_of_mirrored = head.backbone.maps(images), head.backbone.maps(self._mirrored(images, batch))
        attention, of_mirrored = (attention_maps(m, head.classifier.weight) for m in (maps, maps_of_mirrored))
        return {
            "cls": functional.cross_entropy(head.classifier(maps.mean(dim=(2, 3))), batch.labels),
            "consistency": flip_consistency_loss(attention, of_mirrored),
        }

    def _mirrored(self, images: Tensor, batch: Batch) -> Tensor:
        if self.augment_mirrored is None:
            return images.flip(-1)
        own = {name: v for name, v in batch.noise.items() if name.startswith(_MIRRORED)}
        drawn = {name.removeprefix(_MIRRORED): values for name, values in own.items()}
        return self.augment_mirrored(batch.inputs["pixels"], drawn)


def _prepare(setup: Setup, config: EacConfig) -> tuple[Learner, Recipe]:
    head, found = start_image_head(ImageHead, "image", setup, config)
    learner = EacLearner(head, config, found)
    return learner, adam_recipe(learner, config)


METHOD = Method(EacConfig, by_loop(_prepare))
