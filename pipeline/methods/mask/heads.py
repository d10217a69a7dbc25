"""A mask on the frozen feature: which channels speak of the expression."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.images.augment import to_images
from pipeline.learning.head import Head, Inputs
from pipeline.learning.layers import empty_linear, reset_linear
from pipeline.learning.spec import HeadSpec
from pipeline.methods.image.backbones import PREDICT_ROWS, Backbone, sliding_mean
from pipeline.methods.image.frames import means_of_input

__all__ = ["FeatureMaskHead", "ImageMaskHead", "MaskHead", "TokenMaskHead", "resize_channels"]


class MaskHead(Head):
    """A network gates each channel of the pooled feature; a linear layer classifies what is left.

    Equations: M = sigmoid(f(inputs)), gated = M * x, logits = W gated + b   [CAFE, Eqs. 1-3]

    Subclasses bring f. Options of all of them: `sigmoid` (False uses f itself as the mask), `bias` (of the classifier).
    """

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.sigmoid: bool = spec.options["sigmoid"]
        self.classifier = empty_linear(spec.width, len(spec.classes), bias=spec.options["bias"])

    @abstractmethod
    def mask(self, inputs: Inputs, scaled: Tensor) -> Tensor:
        """f: the inputs, and the scaled pooled feature float32 (B, D), to float32 (B, D) of any sign."""

    def gate(self, inputs: Inputs) -> Tensor:
        """The masked feature, float32 (B, D)."""
        scaled = self.scale(inputs["pooled"])
        mask = self.mask(inputs, scaled)
        gated: Tensor = scaled * (mask.sigmoid() if self.sigmoid else mask)
        return gated

    def representation(self, inputs: Inputs) -> Tensor:
        return self.gate(inputs)

    def logits(self, inputs: Inputs) -> Tensor:
        output: Tensor = self.classifier(self.gate(inputs))
        return output


class FeatureMaskHead(MaskHead, kind="feature-mask"):
    """f reads the pooled feature itself: two linear layers.

    Option: `hidden` (width between them).

    Notes
    -----
    In the paper f reads the pixels: `ImageMaskHead`.
    """

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.network = _two_layers(spec.width, spec.options["hidden"], spec.width)

    def reset(self, rng: torch.Generator) -> None:
        _reset_linears(self, rng)

    def mask(self, inputs: Inputs, scaled: Tensor) -> Tensor:
        output: Tensor = self.network(scaled)
        return output


class TokenMaskHead(MaskHead, kind="token-mask"):
    """f attends over the patch tokens: Q learnt queries each pick what to look at, two linear layers make the mask.

    Equations: x_t = layer norm of token t, a_q = softmax_t(query_q . x_t), u_q = sum_t a_q[t] * x_t,
    f = W2 leaky(W1 (u_1, ..., u_Q))   [ours; no paper has it]

    Options: `queries` (Q), `hidden`.
    """

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        n_queries, width = spec.options["queries"], spec.inputs["tokens"][-1]
        self.queries = nn.Parameter(torch.empty(n_queries, width))
        self.network = _two_layers(n_queries * width, spec.options["hidden"], spec.width)

    def reset(self, rng: torch.Generator) -> None:
        _reset_linears(self, rng)
        bound = 1 / math.sqrt(self.queries.shape[1])
        nn.init.uniform_(self.queries, -bound, bound, generator=rng)

    def attention(self, tokens: Tensor) -> Tensor:
        """The attention weights of each query: normed tokens (B, T, W) to weights, float32 (B, T, Q)."""
        return (tokens @ self.queries.T).softmax(dim=1)

    def mask(self, inputs: Inputs, scaled: Tensor) -> Tensor:
        tokens = functional.layer_norm(inputs["tokens"], inputs["tokens"].shape[-1:])
        attended = self.attention(tokens).transpose(1, 2) @ tokens  # (B, T, Q), (B, T, W) -> (B, Q, W)
        output: Tensor = self.network(attended.flatten(1))
        return output


def _two_layers(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    # Leaky: a unit that never fires leaves Adam with denormal numbers, which made late epochs five times slower.
    return nn.Sequential(empty_linear(n_in, hidden), nn.LeakyReLU(), empty_linear(hidden, n_out))


def _reset_linears(head: MaskHead, rng: torch.Generator) -> None:
    for layer in head.modules():
        if isinstance(layer, nn.Linear):
            reset_linear(layer, rng)


class ImageMaskHead(MaskHead, kind="image-mask"):
    """f is an image network on the pixels, its pooled feature resized to the width of what it masks.

    Of a clip both features are the means over its frames, and so there is one mask.

    Equations: M = sigmoid(resize(f(pixels))), gated = M * x, logits = W gated + b   [CAFE, Eqs. 1-3]

    Option: `backbone`.
    """

    predict_rows: ClassVar[int] = PREDICT_ROWS

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.backbone = Backbone(spec.options["backbone"])

    def reset(self, rng: torch.Generator) -> None:
        self.backbone.reset(rng)
        reset_linear(self.classifier, rng)

    def mask(self, inputs: Inputs, scaled: Tensor) -> Tensor:
        features = means_of_input(self, inputs, "pixels", lambda pixels: self.backbone(to_images(pixels)))
        return resize_channels(features, self.spec.width)


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
