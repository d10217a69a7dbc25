"""The networks of `mini`: EfficientNet-Lite0 and a small text transformer, without open_clip, timm and their imports.

Modules have the names that open_clip's and timm's have, under which the weights are stored, and do the same operations
in the same order: features are those of open_clip's model, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.encoders.prompt_tower import TextParts
from pipeline.encoders.towers import ImageTower, as_sequence

__all__ = ["MiniModel", "MiniTower"]

# EfficientNet-Lite0: (kernel, stride, factor by which blocks expand, channels, blocks) of each stage.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_STEM, _FEATURES, _HIDDEN = 32, 1280, 1024  # channels of the stem and of the feature map, width of the projection


class MiniModel(nn.Module):
    """Both towers.

    Parameters
    ----------
    config : `model_cfg` of open_clip: width of the vectors, and the sizes of the text tower
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        text, width = config["text_cfg"], config["text_cfg"]["width"]
        self.visual = nn.ModuleDict({"trunk": _Trunk(), "head": _Projection(config["embed_dim"])})
        self.transformer = nn.ModuleDict(
            {"resblocks": nn.ModuleList(_Block(width, text["heads"]) for _ in range(text["layers"]))}
        )
        # Without a draw: on the meta device that would import torch's compiler, which takes a second.
        embedding: Any = nn.Embedding  # torch has no type for its `from_pretrained`
        self.token_embedding: nn.Embedding = embedding.from_pretrained(torch.empty(text["vocab_size"], width))
        self.positional_embedding = nn.Parameter(torch.empty(text["context_length"], width))
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, config["embed_dim"]))
        self.logit_scale = nn.Parameter(torch.empty(()))

    @property
    def text_parts(self) -> TextParts:
        blocks: Any = self.transformer["resblocks"]
        return TextParts(
            embedding=self.token_embedding,
            positions=self.positional_embedding,
            blocks=tuple(blocks),
            final_norm=self.ln_final,
            projection=self.text_projection,
            pool="argmax",
            causal=True,
        )

    def encode_text(self, tokens: Tensor) -> Tensor:
        """int64 (P, T), the largest id at the end of each sentence -> float32 (P, D)."""
        n_positions = tokens.shape[1]
        mask = torch.full((n_positions, n_positions), float("-inf"), device=tokens.device).triu_(1)
        hidden = self.token_embedding(tokens) + self.positional_embedding
        for block in self.text_parts.blocks:
            hidden = block(hidden, mask)
        ends = self.ln_final(hidden)[torch.arange(len(tokens), device=tokens.device), tokens.argmax(dim=-1)]
        vectors: Tensor = ends @ self.text_projection  # (P, W) -> (P, D)
        return vectors


class MiniTower(ImageTower):
    """The image tower of `mini`: pooled features, and the feature map as tokens (B, 25, 1280)."""

    def __init__(self, model: MiniModel) -> None:
        trunk, head = model.visual["trunk"], model.visual["head"]
        super().__init__(nn.Sequential(trunk, head))
        self.trunk: Any = trunk
        self.head = head

    def is_reentrant(self, outputs: Sequence[str]) -> bool:
        return True

    def _run(self, images: Tensor, with_tokens: bool) -> tuple[Tensor, Tensor | None]:
        features = self.trunk.forward_features(images)
        pooled = self.head(self.trunk.forward_head(features))
        return pooled, as_sequence(features) if with_tokens else None


class _Trunk(nn.Module):
    """EfficientNet-Lite0 without classifier: (B, 3, S, S) -> (B, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _SameConv2d(3, _STEM, 3, 2)
        self.bn1 = _Norm(_STEM)
        stages, channels = [], _STEM
        for kernel, stride, expansion, out, n_blocks in _STAGES:
            blocks: list[nn.Module] = []
            for i in range(n_blocks):
                step = stride if i == 0 else 1
                if expansion == 1:
                    blocks.append(_SeparableConv(channels, out, kernel, step))
                else:
                    blocks.append(_InvertedResidual(channels, out, kernel, step, expansion))
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = nn.Conv2d(channels, _FEATURES, 1, bias=False)
        self.bn2 = _Norm(_FEATURES)

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, 1280, S / 32, S / 32)."""
        features: Tensor = self.bn2(self.conv_head(self.blocks(self.bn1(self.conv_stem(images)))))
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        return functional.adaptive_avg_pool2d(features, 1).flatten(1)


class _SameConv2d(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow pads: by size and stride, more below and to the right.

    Parameters
    ----------
    groups : 1, or the number of channels
    """

    def __init__(self, channels: int, out: int, kernel: int, stride: int, groups: int = 1) -> None:
        padding = kernel // 2 if stride == 1 else 0  # with a stride it depends on the picture
        super().__init__(channels, out, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        if self.stride == (1, 1):
            return super().forward(input)
        (height, width), (kernel, _), (stride, _) = input.shape[-2:], self.kernel_size, self.stride
        rows, columns = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in (height, width))
        padding = [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2]
        return super().forward(functional.pad(input, padding))


class _Norm(nn.BatchNorm2d):
    """Batch normalisation, and what follows it: `relu6` or nothing."""

    def __init__(self, channels: int, relu6: bool = True) -> None:
        super().__init__(channels, eps=1e-3)
        self.relu6 = relu6

    def forward(self, input: Tensor) -> Tensor:
        normalised = super().forward(input)
        return functional.relu6(normalised, inplace=True) if self.relu6 else normalised


class _SeparableConv(nn.Module):
    """A convolution per channel, then one per pixel."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = _SameConv2d(channels, channels, kernel, stride, groups=channels)
        self.bn1 = _Norm(channels)
        self.conv_pw = nn.Conv2d(channels, out, 1, bias=False)
        self.bn2 = _Norm(out, relu6=False)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.bn2(self.conv_pw(self.bn1(self.conv_dw(features))))
        return result


class _InvertedResidual(nn.Module):
    """More channels, a convolution per channel, fewer channels; added to what came in where shapes are equal."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.conv_pw = nn.Conv2d(channels, inner, 1, bias=False)
        self.bn1 = _Norm(inner)
        self.conv_dw = _SameConv2d(inner, inner, kernel, stride, groups=inner)
        self.bn2 = _Norm(inner)
        self.conv_pwl = nn.Conv2d(inner, out, 1, bias=False)
        self.bn3 = _Norm(out, relu6=False)
        self.is_residual = channels == out and stride == 1

    def forward(self, features: Tensor) -> Tensor:
        inner = self.bn2(self.conv_dw(self.bn1(self.conv_pw(features))))
        result: Tensor = self.bn3(self.conv_pwl(inner))
        return result + features if self.is_residual else result


class _Projection(nn.Module):
    """(B, 1280) -> (B, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(_FEATURES, _HIDDEN), "fc2": nn.Linear(_HIDDEN, width)})

    def forward(self, pooled: Tensor) -> Tensor:
        vectors: Tensor = self.mlp["fc2"](functional.gelu(self.mlp["fc1"](pooled)))
        return vectors


class _Block(nn.Module):
    """A residual attention block, with the parts of open_clip's that `PromptTower` needs."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, n_heads, batch_first=True)
        self.mlp = _TextMlp(width)
        self.ls_1, self.ls_2 = nn.Identity(), nn.Identity()

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(P, T, W) -> (P, T, W)."""
        normed = self.ln_1(hidden)
        hidden = hidden + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        result: Tensor = hidden + self.mlp(self.ln_2(hidden))
        return result


class _TextMlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        result: Tensor = self.c_proj(functional.gelu(self.c_fc(hidden)))
        return result
