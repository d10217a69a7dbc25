"""Image networks without their classifiers, as published, with initial weights from a generator.

They are trained on pixels, unlike encoders, which are frozen. All are fully convolutional or pad by themselves: they
take squares of any side from 8 pixels on, unchanged. On small ones only the last maps shrink (64 pixels: 2 x 2 in place
of 7 x 7 at 224 pixels; `small`: 4 x 4 in place of 14 x 14), so weights fit whatever the side.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ConfigError

__all__ = ["BACKBONES", "PREDICT_ROWS", "SMALL", "Architecture", "Backbone", "reset_convolutional", "sliding_mean"]


@dataclass(frozen=True)
class Architecture:
    """How a network is built, how wide its feature is, and how its initial weights are drawn."""

    build: Callable[[], nn.Module]
    width: int
    reset: Callable[[nn.Module, torch.Generator], None]


def reset_convolutional(net: nn.Module, rng: torch.Generator) -> None:
    """Draw the weights of convolutions (He et al., 2015); batch norms reset their statistics."""
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
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


SMALL = Architecture(_small, 128, reset_convolutional)


# Name -> the module in this folder and the architecture in it. Strings, so that a head without an image network,
# and `small`, do not wait for torchvision.
BACKBONES: dict[str, tuple[str, str]] = {
    "resnet18": ("torchvision_networks", "RESNET18"),
    "resnet50": ("torchvision_networks", "RESNET50"),
    "mobilenet_v2": ("torchvision_networks", "MOBILENET_V2"),
    "swin_tiny": ("torchvision_networks", "SWIN_TINY"),
    "small": ("backbones", "SMALL"),
}
# Images that go through together at prediction: their activations then stay in a CPU's caches.
PREDICT_ROWS = 64

_CHANNELS_LAST = torch.channels_last
_POOL_AND_CLASSIFIER = ("avgpool", "flatten", "fc", "classifier", "head")


class Backbone(nn.Module):
    """An image network from images to maps and to one feature per image.

    Parameters
    ----------
    name : resnet18 | resnet50 | mobilenet_v2 | swin_tiny | small
        The first four are torchvision's, and so are the names of their weights below `net`. `small` is ours and no
        paper's: four convolutions, for a first look on a machine without a GPU.

    Notes
    -----
    A batch of one image has no statistics of its own: also in training its batch norms use the running ones.
    `swin_tiny` is trained without the stochastic depth of its authors, which would draw from the global generator.

    Raises
    ------
    ConfigError
        If the name is none of these.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in BACKBONES:
            raise ConfigError(f"backbone: expected one of {', '.join(BACKBONES)}, found {name!r}")
        self.name, self._architecture = name, _architecture(name)
        with torch.random.fork_rng(devices=[]):  # torchvision draws weights as it builds; `reset` draws ours
            network = self._architecture.build()
        parts = [(part, module) for part, module in network.named_children() if part not in _POOL_AND_CLASSIFIER]
        self.net = nn.Sequential(OrderedDict(parts))

    @property
    def width(self) -> int:
        """D of the feature, channels of the maps."""
        return self._architecture.width

    def reset(self, rng: torch.Generator) -> None:
        """Draw initial weights, as the architecture's authors do; batch norms reset their statistics."""
        self._architecture.reset(self.net, rng)

    def maps(self, images: Tensor) -> Tensor:
        """The last maps: float32 (B, 3, S, S), normalised, -> float32 (B, D, h, w)."""
        training = self.training and len(images) > 1
        if self.net.training != training:
            self.net.train(training)
        maps: Tensor = self.net(images)
        if self._architecture is SMALL and maps.requires_grad and maps.is_contiguous(memory_format=_CHANNELS_LAST):
            maps.register_hook(_channels_last)  # type: ignore[no-untyped-call]
        return maps

    def map_side(self, size: int) -> int:
        """h = w of the maps of images with `size` pixels a side."""
        with torch.no_grad():
            return self.maps(next(self.parameters()).new_zeros(1, 3, size, size)).shape[-1]

    def forward(self, images: Tensor) -> Tensor:
        """The maps' means: float32 (B, 3, S, S), normalised, -> float32 (B, D)."""
        return self.maps(images).mean(dim=(2, 3))


def sliding_mean(features: Tensor, width: int) -> Tensor:
    """Fewer channels: the means of `width` windows that slide over them.

    ResNet-50's 2048 channels become 512 means of 4 neighbours each [CAFE, Table 4].

    Parameters
    ----------
    features : float32, shape (B, D)
    width : in [1, D]

    Returns
    -------
    float32, shape (B, width)

    Raises
    ------
    ConfigError
        If `width` is not in [1, D].

    Notes
    -----
    Where `width` does not divide D (MobileNet's 1280 to 512, which the paper leaves open) window i goes from
    floor(i * D / width) up to ceil((i + 1) * D / width), so that every channel counts and neighbours overlap.
    """
    if not 1 <= width <= features.shape[1]:
        raise ConfigError(f"sliding mean: expected a width from 1 to {features.shape[1]}, found {width}")
    return functional.adaptive_avg_pool1d(features, width)


def _channels_last(gradient: Tensor) -> Tensor:
    """The gradient in the order of the maps, where that of their mean is in another: ReLU is slow with both.

    The same numbers for `small`. In MobileNet a batch norm would add up in another order; large networks gain nothing.
    """
    return gradient.contiguous(memory_format=_CHANNELS_LAST)


def _architecture(name: str) -> Architecture:
    module, constant = BACKBONES[name]
    architecture: Architecture = getattr(import_module(f"pipeline.methods.image.{module}"), constant)
    return architecture
