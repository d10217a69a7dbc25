"""What an image network is made of, and the one that is ours. Those of torchvision are in `torchvision_networks`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

__all__ = ["SMALL", "Architecture", "reset_convolutional"]


@dataclass(frozen=True)
class Architecture:
    """How a network is built, how wide its feature is, and how its first weights are drawn."""

    build: Callable[[], nn.Module]
    width: int
    reset: Callable[[nn.Module, torch.Generator], None]


def reset_convolutional(net: nn.Module, rng: torch.Generator) -> None:
    """Draw the weights of convolutions (He et al., 2015); batch norms forget what they have seen."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=rng)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()  # scale, shift and running statistics: nothing is drawn


def _small() -> nn.Module:
    widths = (3, 16, 32, 64, 128)
    stages = {f"stage{i}": _stage(*widths[i - 1 : i + 1]) for i in range(1, len(widths))}
    return nn.Sequential(OrderedDict(stages))


def _stage(n_in: int, n_out: int) -> nn.Module:
    convolution = nn.Conv2d(n_in, n_out, kernel_size=3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU())


SMALL = Architecture(_small, 128, reset_convolutional)
