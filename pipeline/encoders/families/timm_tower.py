"""The outputs of timm's models, alone or inside an open_clip model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from pipeline.encoders.towers import ImageTower, as_sequence, shallow_copy

__all__ = ["TimmTower"]

_EMBEDDING = ("patch_embed", "cls_token", "reg_token", "dist_token", "pos_embed", "pos_drop", "patch_drop", "norm_pre")


class TimmTower(ImageTower):
    """A timm model without classifier.

    Parameters
    ----------
    trunk : timm model; its `forward` is, by timm's convention, `forward_features` and then `forward_head`
    head : what open_clip puts behind it
    """

    def __init__(self, trunk: Any, head: nn.Module | None = None) -> None:
        super().__init__(trunk if head is None else nn.Sequential(trunk, head))
        self.trunk = trunk
        self.head = nn.Identity() if head is None else head

    @property
    def blocks(self) -> Sequence[nn.Module]:
        # Other transformers hand their blocks more than activations: rotary positions, windows, masks.
        plain = getattr(type(self.trunk), "forward_features", None) is VisionTransformer.forward_features
        return tuple(self.trunk.blocks) if plain else ()

    def is_reentrant(self, outputs: Sequence[str]) -> bool:
        return not any(name.startswith("block-") for name in outputs)

    def tail(self, block: int) -> nn.Module:
        return _TransformerTail(self.trunk, self.head, block)

    def _run(self, images: Tensor, with_tokens: bool) -> tuple[Tensor, Tensor | None]:
        if not with_tokens or not hasattr(self.trunk, "forward_head"):
            return self.model(images), None
        features = self.trunk.forward_features(images)
        pooled = self.head(self.trunk.forward_head(features))
        if not isinstance(features, Tensor):  # several stages, or a class token apart
            return pooled, None
        return pooled, as_sequence(features, getattr(self.trunk, "output_fmt", "NCHW") == "NHWC")


class _TransformerTail(nn.Module):
    """The last blocks of a VisionTransformer, and what comes behind them."""

    def __init__(self, trunk: Any, head: nn.Module, block: int) -> None:
        super().__init__()
        self.trunk = shallow_copy(trunk, _EMBEDDING, blocks=trunk.blocks[block:])
        self.head = head

    def forward(self, activations: Tensor) -> Tensor:
        """(B, T, W) -> (B, D)."""
        features = self.trunk.norm(self.trunk.blocks(activations))
        return cast("Tensor", self.head(self.trunk.forward_head(features)))
