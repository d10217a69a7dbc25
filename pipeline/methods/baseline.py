"""baseline: an image network, a linear classifier, cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional

from pipeline.images.augment import Augment
from pipeline.methods.configs.baseline import BaselineConfig
from pipeline.methods.protocol import Method, Setup, by_loop
from pipeline.methods.shared.adam import adam_recipe
from pipeline.methods.shared.image_networks import ImageLearner, start_image_head
from pipeline.models.image import ImageHead
from pipeline.training import Batch, Learner, Recipe

__all__ = ["METHOD", "BaselineLearner"]


class BaselineLearner(ImageLearner):
    """One term, cls: the cross-entropy."""

    def __init__(self, head: ImageHead, config: BaselineConfig, found: Mapping[str, Any] | None = None) -> None:
        super().__init__(head, Augment(config.flip, config.noise, erase=config.erase), found)
        self.weights = {"cls": 1.0}

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        return {"cls": functional.cross_entropy(self.head.read(self.images(batch)), batch.labels)}


def _prepare(setup: Setup, config: BaselineConfig) -> tuple[Learner, Recipe]:
    head, found = start_image_head(ImageHead, "image", setup, config)
    learner = BaselineLearner(head, config, found)
    return learner, adam_recipe(learner, config)


METHOD = Method(BaselineConfig, by_loop(_prepare))
