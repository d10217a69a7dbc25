"""What CoOp and CoCoOp share: how contexts of class names are trained."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from pipeline.methods.configs.context import ContextConfig
from pipeline.methods.shared.sgd import sgd_recipe
from pipeline.models.head import Head
from pipeline.training import Batch, Learner, Recipe

__all__ = ["ContextLearner", "constant_then_cosine", "context_recipe"]


class ContextLearner(Learner):
    """Term cls: the cross-entropy of the head's logits."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head
        self.weights = {"cls": 1.0}

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        return {"cls": functional.cross_entropy(self.head(batch.inputs), batch.labels)}


def context_recipe(learner: Learner, config: ContextConfig) -> Recipe:
    """SGD: a constant small rate, then a cosine. A text tower is large enough for all threads."""
    return sgd_recipe(
        learner, config, constant_then_cosine(config.epochs, config.warmup_epochs, config.warmup_lr / config.lr)
    )


def constant_then_cosine(epochs: int, warmup: int, factor: float) -> Callable[[int], float]:
    """`factor` for `warmup` epochs, then half a cosine from 1 that would reach 0 `epochs` later, as in CoOp's code."""
    return lambda epoch: factor if epoch < warmup else (1 + math.cos(math.pi * (epoch - warmup) / epochs)) / 2
