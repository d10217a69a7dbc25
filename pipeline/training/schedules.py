"""Learning rates over the epochs: epoch, counted from 0 -> factor on the first learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["exponential_decay", "warmup_cosine"]


def exponential_decay(gamma: float) -> Callable[[int], float]:
    """gamma ** epoch."""
    return lambda epoch: gamma**epoch


def warmup_cosine(epochs: int, warmup: int) -> Callable[[int], float]:
    """A linear rise to 1 over `warmup` epochs, then half a cosine that reaches 0 after `epochs`."""

    def factor(epoch: int) -> float:
        if epoch < warmup:
            return (epoch + 1) / (warmup + 1)
        return (1 + math.cos(math.pi * (epoch - warmup) / max(epochs - warmup, 1))) / 2

    return factor
