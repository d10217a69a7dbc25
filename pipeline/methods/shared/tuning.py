"""How methods are trained that train the encoder's own image network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

from pipeline.methods.configs.tuned import TunedConfig
from pipeline.training import Recipe, warmup_cosine

__all__ = ["tuned_recipe"]

_RESTART_EPOCHS = 10


def tuned_recipe(parts: Sequence[tuple[nn.Module, float]], config: TunedConfig) -> Recipe:
    """AdamW over some modules, each with its learning rate of the first epoch."""
    groups = [{"params": list(part.parameters()), "lr": lr} for part, lr in parts]
    return Recipe(
        torch.optim.AdamW(groups, eps=config.eps, weight_decay=config.weight_decay, fused=True),
        warmup_cosine(config.epochs, warmup=0) if config.schedule == "cosine" else _restarts(_RESTART_EPOCHS),
        config.epochs,
        config.batch_size,
        config.select_by,
        config.balanced,
        threads=None,
    )


def _restarts(period: int) -> Callable[[int], float]:
    """Half a cosine that begins anew every `period` epochs."""
    return lambda epoch: (1 + math.cos(math.pi * (epoch % period) / period)) / 2
