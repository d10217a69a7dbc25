"""torchvision's image networks. Importing them takes longer than most heads take to train: `backbones` does it late."""

from __future__ import annotations

import math

import torch
import torchvision
from torch import nn

from pipeline.methods.image.backbones import Architecture, reset_convolutional

__all__ = ["MOBILENET_V2", "RESNET18", "RESNET50", "SWIN_TINY"]


def _swin_tiny() -> nn.Module:
    network: nn.Module = torchvision.models.swin_t()
    for module in network.modules():
        if isinstance(module, torchvision.ops.StochasticDepth):
            module.p = 0.0
    return network


def _reset_swin(net: nn.Module, rng: torch.Generator) -> None:
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02, generator=rng)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d):
            _reset_patches(module, rng)
        elif isinstance(module, nn.LayerNorm):
            module.reset_parameters()
    for name, table in net.named_parameters():
        if name.endswith("relative_position_bias_table"):
            nn.init.trunc_normal_(table, std=0.02, generator=rng)


def _reset_patches(convolution: nn.Conv2d, rng: torch.Generator) -> None:
    # torch's own default, which the authors leave in place: uniform in [-1, 1] / sqrt(inputs of a patch).
    bound = 1 / math.sqrt(convolution.weight[0].numel())
    nn.init.uniform_(convolution.weight, -bound, bound, generator=rng)
    if convolution.bias is not None:
        nn.init.uniform_(convolution.bias, -bound, bound, generator=rng)


RESNET18 = Architecture(torchvision.models.resnet18, 512, reset_convolutional)
RESNET50 = Architecture(torchvision.models.resnet50, 2048, reset_convolutional)
MOBILENET_V2 = Architecture(torchvision.models.mobilenet_v2, 1280, reset_convolutional)
SWIN_TINY = Architecture(_swin_tiny, 768, _reset_swin)
