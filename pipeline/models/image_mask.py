"""A mask on the frozen feature that an image network makes from the pixels."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.images.augment import to_images
from pipeline.models.backbones import Backbone, sliding_mean
from pipeline.models.head import Inputs
from pipeline.models.layers import reset_linear
from pipeline.models.mask import MaskHead
from pipeline.models.spec import HeadSpec

__all__ = ["ImageMaskHead", "resize_channels"]


class ImageMaskHead(MaskHead):
    """f is an image network on the pixels, its pooled feature resized to the width of what it masks.

    Equations: M = sigmoid(resize(f(pixels))), gated = M * x, logits = W gated + b   [CAFE, Eqs. 1-3]

    Option: `backbone`.
    """

    predict_rows: ClassVar[int] = 256

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.backbone = Backbone(spec.options["backbone"])

    def reset(self, rng: torch.Generator) -> None:
        self.backbone.reset(rng)
        reset_linear(self.classifier, rng)

    def mask(self, inputs: Inputs, scaled: Tensor) -> Tensor:
        return resize_channels(self.backbone(to_images(inputs["pixels"])), self.spec.width)


def resize_channels(features: Tensor, width: int) -> Tensor:
    """An image network's channels as many as the masked feature has.

    Fewer by sliding means, as the paper does [CAFE, Sec. 5.5]; more by linear interpolation between neighbours, for
    encoders wider than the network, which the paper does not have. Of equal width they stay as they are.

    Parameters
    ----------
    features : float32, shape (B, n)
    width : D > 0

    Returns
    -------
    float32, shape (B, D)
    """
    if features.shape[1] >= width:
        return features if features.shape[1] == width else sliding_mean(features, width)
    return functional.interpolate(features[:, None], size=width, mode="linear")[:, 0]  # (B, n) -> (B, 1, n) -> (B, D)
