"""Optimizers that several methods share, and learning rates over the epochs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import torch

from pipeline.learning.eager import eager_optimizer
from pipeline.learning.learner import Learner, TrainingSettings
from pipeline.learning.options import AdamConfig, SelectBy

__all__ = [
    "SgdConfig",
    "adam_settings",
    "constant_then_cosine",
    "cosine_restarts",
    "exponential_decay",
    "sgd_settings",
    "step_decay",
    "warmup_cosine",
]


def adam_settings(
    learner: Learner,
    config: AdamConfig,
    *,
    groups: Iterable[Mapping[str, Any]] | None = None,
) -> TrainingSettings:
    """Adam with an L2 penalty, and a learning rate that falls by a constant factor after every epoch.

    Parameters
    ----------
    learner : on the device where it is trained
    config : AdamConfig
    groups : Adam's parameter groups, where parts of the learner have learning rates of their own
    """
    parameters: Any = learner.parameters() if groups is None else groups
    return TrainingSettings(
        eager_optimizer(torch.optim.Adam)(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=True),
        exponential_decay(config.lr_decay),
        config.epochs,
        config.batch_size,
        config.select_by,
        config.balanced,
    )


class SgdConfig(Protocol):
    """The options that `sgd_settings` reads."""

    @property
    def lr(self) -> float: ...
    @property
    def momentum(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def epochs(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def balanced(self) -> bool: ...
    @property
    def select_by(self) -> SelectBy: ...


def sgd_settings(
    learner: Learner,
    config: SgdConfig,
    lr_factor: Callable[[int], float],
    *,
    updates: tuple[tuple[str, ...], ...] = (),
) -> TrainingSettings:
    """SGD with momentum and an L2 penalty.

    Parameters
    ----------
    learner : on the device where it is trained
    config : with `lr`, `momentum` and `weight_decay`
    lr_factor, updates : see `TrainingSettings`
    """
    return TrainingSettings(
        eager_optimizer(torch.optim.SGD)(
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
        updates,
    )


def exponential_decay(gamma: float) -> Callable[[int], float]:
    """gamma ** epoch."""
    return lambda epoch: gamma**epoch


def step_decay(epochs: int, gamma: float) -> Callable[[int], float]:
    """1, gamma after 3/5 of the epochs, gamma ** 2 after 4/5: of 50 epochs after 30 and 40, as DFER-CLIP's code."""
    return lambda epoch: gamma ** sum(5 * epoch >= fifths * epochs for fifths in (3, 4))


def warmup_cosine(epochs: int, warmup: int) -> Callable[[int], float]:
    """A linear rise to 1 over `warmup` epochs, then half a cosine that reaches 0 after `epochs`."""

    def factor(epoch: int) -> float:
        if epoch < warmup:
            return (epoch + 1) / (warmup + 1)
        return (1 + math.cos(math.pi * (epoch - warmup) / max(epochs - warmup, 1))) / 2

    return factor


def constant_then_cosine(epochs: int, warmup: int, factor: float) -> Callable[[int], float]:
    """`factor` for `warmup` epochs, then half a cosine from 1 that would reach 0 `epochs` later, as in CoOp's code."""
    return lambda epoch: factor if epoch < warmup else (1 + math.cos(math.pi * (epoch - warmup) / epochs)) / 2


def cosine_restarts(period: int) -> Callable[[int], float]:
    """Half a cosine that restarts every `period` epochs."""
    return lambda epoch: (1 + math.cos(math.pi * (epoch % period) / period)) / 2
