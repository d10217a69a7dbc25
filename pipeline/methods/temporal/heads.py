"""From the features of T frames, in order of time, to one vector of the clip, which a linear layer classifies."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.learning.clips import FRAMES
from pipeline.learning.head import Head, Inputs
from pipeline.learning.layers import empty_linear, reset_linear
from pipeline.learning.spec import HeadSpec

__all__ = ["TemporalAttentionHead", "TemporalHead", "TemporalTransformerHead"]

Factors = Mapping[str, Tensor]  # of dropout: 0, or 1 / (1 - rate), by the place where they are applied

_NO_DROPOUT: Factors = MappingProxyType({})


class TemporalHead(Head):
    """What heads on frames share: they read `frames`, (T, D), and scale each frame as other heads do an image.

    A clip with fewer than T frames repeats its last one, an image is T times the same: there is nothing to mask.
    """

    classifier: nn.Linear

    @property
    def n_frames(self) -> int:
        """T."""
        return self.spec.inputs[FRAMES][0]

    @abstractmethod
    def embed(self, frames: Tensor, factors: Factors = _NO_DROPOUT) -> Tensor:
        """The vector of each clip, float32 (B, W).

        Parameters
        ----------
        frames : scaled features, float32 (B, T, D)
        factors : what `dropout_factors` drew; without it nothing is dropped
        """

    @abstractmethod
    def dropout_shapes(self) -> dict[str, tuple[int, ...]]:
        """Place of a dropout -> shape of its factors for one clip."""

    def dropout_factors(self, n: int, rate: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Dropout of `n` clips: each number is 0 with chance `rate`, else 1 / (1 - rate)."""
        return {
            place: torch.empty((n, *shape)).bernoulli_(1 - rate, generator=rng) / (1 - rate)
            for place, shape in self.dropout_shapes().items()
        }

    def classify(self, inputs: Inputs, factors: Factors = _NO_DROPOUT) -> Tensor:
        """Logits, float32 (B, C), with dropout."""
        logits: Tensor = self.classifier(self.embed(self.scale(inputs[FRAMES]), factors))
        return logits

    def representation(self, inputs: Inputs) -> Tensor:
        return self.embed(self.scale(inputs[FRAMES]))

    def logits(self, inputs: Inputs) -> Tensor:
        return self.classify(inputs)


def _dropped(values: Tensor, factors: Factors, place: str) -> Tensor:
    return values * factors[place] if place in factors else values


class TemporalAttentionHead(TemporalHead, kind="temporal-attention"):
    """Attention pooling: H learnt queries weigh the frames, a linear layer classifies the H weighted means.

    Equations: e_t^h = q_h . x_t / sqrt(D), a_t^h = exp(e_t^h) / sum_s exp(e_s^h), r_h = sum_t a_t^h x_t,
    logits = W (r_1, ..., r_H) + b   [Neural Aggregation Network, Eqs. 1-3, one attention block, where H = 1]

    Option: `queries` (H). Queries begin as 0, so that each r_h begins as the plain mean. The order of frames has no
    effect.

    Notes
    -----
    J. Yang et al., "Neural Aggregation Network for Video Face Recognition", CVPR 2017. Its e_t is not divided by
    sqrt(D): features there have unit norm. Frame Attention Networks (D. Meng et al., ICIP 2019) weigh frames of
    expressions in the same way, with a sigmoid in place of the exponential, and fine-tune the network.
    """

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.queries = nn.Parameter(torch.empty(spec.options["queries"], spec.width))
        self.classifier = empty_linear(self.queries.numel(), len(spec.classes))

    def reset(self, rng: torch.Generator) -> None:
        nn.init.zeros_(self.queries)
        reset_linear(self.classifier, rng)

    def attention(self, frames: Tensor) -> Tensor:
        """Weights of the frames under each query: scaled frames (B, T, D) to float32 (B, T, H), sums over T are 1."""
        return (frames @ self.queries.T / math.sqrt(self.spec.width)).softmax(dim=1)

    def dropout_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"pooled": (self.queries.numel(),)}

    def embed(self, frames: Tensor, factors: Factors = _NO_DROPOUT) -> Tensor:
        pooled = self.attention(frames).transpose(1, 2) @ frames  # (B, H, T) @ (B, T, D) -> (B, H, D)
        return _dropped(pooled.flatten(1), factors, "pooled")


class TemporalTransformerHead(TemporalHead, kind="temporal-transformer"):
    """A transformer encoder over a class token and the frames, each with a learnt position, and a linear classifier.

    Equations: z = (c, x_1, ..., x_T) + p; in each of L layers z <- z + A(norm z), z <- z + M(norm z), with A the
    self-attention of H heads and M two linear layers with a GELU between; logits = W z_0 + b
    [DFER-CLIP, temporal model]

    Options: `layers` (L), `heads` (H), `head_width`, `hidden` (width inside of M).

    Notes
    -----
    Z. Zhao and I. Patras, "Prompting Visual-Language Models for Dynamic Facial Expression Recognition", BMVC 2023, and
    the authors' public code: norms before A and M, none after the last layer, no bias of queries, keys and values, the
    GELU by its tanh approximation, class token and positions drawn from a standard normal distribution. There the
    vector of the clip is compared with learned prompts; here a linear layer classifies it. The last layer computes the
    class token only: nothing reads the others.
    """

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        options = spec.options
        self.class_token = nn.Parameter(torch.empty(spec.width))
        self.positions = nn.Parameter(torch.empty(self.n_frames + 1, spec.width))
        self.layers = nn.ModuleList(
            _Layer(spec.width, options["heads"], options["head_width"], options["hidden"])
            for _ in range(options["layers"])
        )
        self.classifier = empty_linear(spec.width, len(spec.classes))

    def reset(self, rng: torch.Generator) -> None:
        nn.init.normal_(self.class_token, generator=rng)
        nn.init.normal_(self.positions, generator=rng)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                reset_linear(module, rng)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()

    def dropout_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for i in range(len(self.layers)):
            n_tokens = self._n_computed(i)
            widths = {"attention": self.spec.width, "hidden": self.spec.options["hidden"], "output": self.spec.width}
            shapes |= {f"{place}-{i}": (n_tokens, width) for place, width in widths.items()}
        return shapes

    def embed(self, frames: Tensor, factors: Factors = _NO_DROPOUT) -> Tensor:
        class_token = self.class_token.expand(frames.shape[0], 1, -1)  # len() would be one number in an ONNX graph
        tokens = torch.cat([class_token, frames], dim=1) + self.positions  # (B, 1 + T, D)
        for i, layer in enumerate(self.layers):
            of_layer = {place: factors[f"{place}-{i}"] for place in _Layer.dropouts if factors}
            tokens = layer(tokens, self._n_computed(i), of_layer)
        return tokens[:, 0]

    def _n_computed(self, layer: int) -> int:
        """Tokens that something reads of what a layer computes."""
        return 1 if layer == len(self.layers) - 1 else self.n_frames + 1


class _Layer(nn.Module):
    """One layer of the encoder: self-attention, then two linear layers, each added to what it reads."""

    dropouts: ClassVar[tuple[str, ...]] = ("attention", "hidden", "output")

    def __init__(self, width: int, n_heads: int, head_width: int, hidden: int) -> None:
        super().__init__()
        self.n_heads, self.head_width = n_heads, head_width
        self.attention_norm, self.linear_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values = empty_linear(width, 3 * n_heads * head_width, bias=False)
        self.project = empty_linear(n_heads * head_width, width)
        self.expand = empty_linear(width, hidden)
        self.contract = empty_linear(hidden, width)

    def forward(self, tokens: Tensor, n: int, factors: Factors) -> Tensor:
        """Tokens float32 (B, N, D) to the first `n` of the next layer, (B, n, D)."""
        attended = self.project(self._attended(self.attention_norm(tokens), n))
        tokens = tokens[:, :n] + _dropped(attended, factors, "attention")
        hidden = functional.gelu(self.expand(self.linear_norm(tokens)), approximate="tanh")
        output = self.contract(_dropped(hidden, factors, "hidden"))
        return tokens + _dropped(output, factors, "output")

    def _attended(self, tokens: Tensor, n: int) -> Tensor:
        """What the first `n` tokens read of all: (B, N, D) -> (B, n, H * head width)."""
        parts = self.queries_keys_values(tokens).unflatten(2, (3, self.n_heads, self.head_width))
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # each (B, H, N, head width)
        scores = queries[:, :, :n] @ keys.transpose(2, 3) / math.sqrt(self.head_width)
        attended: Tensor = (scores.softmax(dim=3) @ values).transpose(1, 2).flatten(2)
        return attended
