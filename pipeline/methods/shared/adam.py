"""The recipe that CAFE and the methods for noisy labels share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from pipeline.methods.configs.adam import AdamConfig
from pipeline.training import Learner, Recipe, exponential_decay

__all__ = ["adam_recipe"]


def adam_recipe(
    learner: Learner,
    config: AdamConfig,
    *,
    groups: Iterable[Mapping[str, Any]] | None = None,
    threads: int | None = None,
) -> Recipe:
    """Adam with an L2 penalty, and a learning rate that falls by a constant factor after every epoch.

    Parameters
    ----------
    learner : on the device where it is trained
    config : AdamConfig
    groups : Adam's parameter groups, where parts of the learner have learning rates of their own
    threads : of torch, None for all: image networks; 1 for light heads
    """
    parameters: Any = learner.parameters() if groups is None else groups
    return Recipe(
        torch.optim.Adam(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=True),
        exponential_decay(config.lr_decay),
        config.epochs,
        config.batch_size,
        config.select_by,
        config.balanced,
        threads,
    )
