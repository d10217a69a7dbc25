"""Parts that several heads share: the feature scale and linear layers whose initial weights come from a generator."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ConfigError
from pipeline.learning.spec import ScaleKind

__all__ = ["FeatureScale", "empty_linear", "reset_linear"]


class FeatureScale(nn.Module):
    """How a head rescales the raw feature before anything else.

    Parameters
    ----------
    kind : raw | l2 | standard
        `raw`: as the encoder gave it. `l2`: unit norm times sqrt(D), so that a channel is about 1 for any encoder
        (losses that read channel values vanish on plain unit vectors, whose channels are about 1 / sqrt(D)).
        `standard`: every channel minus its mean, over its standard deviation, both of the train split and stored.
    width : D
    """

    mean: Tensor
    std: Tensor

    def __init__(self, kind: ScaleKind, width: int) -> None:
        super().__init__()
        if kind not in ("raw", "l2", "standard"):
            raise ConfigError(f"feature scale: expected raw, l2 or standard, found {kind!r}")
        self.kind = kind
        if kind == "standard":
            self.register_buffer("mean", torch.zeros(width))
            self.register_buffer("std", torch.ones(width))

    def fit(self, features: Tensor) -> None:
        """Take mean and deviation of `features`, shape (N, D); nothing to do unless `standard`."""
        self.fit_columns([(slice(None), features)])

    def fit_columns(self, blocks: Iterable[tuple[slice, Tensor]]) -> None:
        """The same from some columns at a time, each block (N, n_columns): no more is in memory as float32."""
        if self.kind != "standard":
            return
        for columns, features in blocks:
            std, mean = torch.std_mean(features, dim=0, correction=0)
            self.mean[columns] = mean
            # A constant channel has no information; dividing by its 0, or by its rounding error, would blow it up.
            self.std[columns] = torch.where(std > 1e-6 * mean.abs(), std, 1.0)

    def forward(self, features: Tensor) -> Tensor:
        """float32 (..., D) -> float32 (..., D)."""
        if self.kind == "l2":
            return functional.normalize(features, dim=-1) * math.sqrt(features.shape[-1])
        return (features - self.mean) / self.std if self.kind == "standard" else features


def empty_linear(n_in: int, n_out: int, bias: bool = True) -> nn.Linear:
    """A linear layer without values yet: building a head draws no random number.

    `to_empty` would do the same, but imports torch's symbolic shapes and sympy, which takes half a second.
    """
    layer = nn.Linear(n_in, n_out, bias=bias, device="meta")
    for name, values in list(layer.named_parameters()):
        empty = torch.empty(values.shape, dtype=values.dtype, device=torch.get_default_device())
        setattr(layer, name, nn.Parameter(empty))
    return layer


def reset_linear(layer: nn.Linear, rng: torch.Generator) -> None:
    """Draw weights and bias uniformly from [-1, 1] / sqrt(n_in), torch's own default, from `rng`."""
    bound = 1 / math.sqrt(layer.in_features)
    nn.init.uniform_(layer.weight, -bound, bound, generator=rng)
    if layer.bias is not None:
        nn.init.uniform_(layer.bias, -bound, bound, generator=rng)
