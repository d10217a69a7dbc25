"""The recipe of the methods that descend by SGD."""

from __future__ import annotations

from collections.abc import Callable

import torch

from pipeline.methods.configs.context import ContextConfig
from pipeline.methods.configs.kefer import KeferConfig
from pipeline.training import Learner, Recipe

__all__ = ["sgd_recipe"]


def sgd_recipe(
    learner: Learner,
    config: ContextConfig | KeferConfig,
    lr_factor: Callable[[int], float],
    *,
    threads: int | None = None,
    updates: tuple[tuple[str, ...], ...] = (),
) -> Recipe:
    """SGD with momentum and an L2 penalty.

    Parameters
    ----------
    learner : on the device where it is trained
    config : with `lr`, `momentum` and `weight_decay`
    lr_factor, threads, updates : see `Recipe`
    """
    return Recipe(
        torch.optim.SGD(
            learner.parameters(),
            lr=config.lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            fused=True,
        ),
        lr_factor,
        config.epochs,
        config.batch_size,
        config.select_by,
        config.balanced,
        threads,
        updates,
    )
