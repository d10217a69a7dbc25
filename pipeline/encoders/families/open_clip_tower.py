"""The outputs of open_clip's image towers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from pipeline.encoders.families.timm_tower import TimmTower
from pipeline.encoders.towers import ImageTower, as_sequence, captured_inputs, captured_outputs, shallow_copy

__all__ = ["open_clip_tower"]


def open_clip_tower(visual: Any) -> ImageTower:
    """The tower of an open_clip model's `visual`; of a kind that is not known here, its pooled feature."""
    if isinstance(visual, VisionTransformer):
        return _TransformerTower(visual)
    if isinstance(visual, ModifiedResNet):
        return _ResNetTower(visual)
    if isinstance(visual, TimmModel):
        return TimmTower(visual.trunk, visual.head)
    return ImageTower(visual)


class _TransformerTower(ImageTower):
    model: Any  # open_clip is not typed

    @property
    def blocks(self) -> Sequence[nn.Module]:
        return tuple(self.model.transformer.resblocks)

    def is_reentrant(self, outputs: Sequence[str]) -> bool:
        return tuple(outputs) == ("pooled",)

    def tail(self, block: int) -> nn.Module:
        return _TransformerTail(self.model, block)

    def _run(self, images: Tensor, with_tokens: bool) -> tuple[Tensor, Tensor | None]:
        if not with_tokens:
            return _first(self.model(images)), None
        with self._tokens() as captured:
            pooled = _first(self.model(images))
        return pooled, captured[0]

    def _tokens(self) -> AbstractContextManager[list[Tensor]]:
        """Captures the sequence that is pooled."""
        if self.model.attn_pool is not None:
            return captured_inputs(self.model.attn_pool)
        return captured_outputs(self.model.transformer if self.model.final_ln_after_pool else self.model.ln_post)

    def _batch_first(self, activations: Tensor) -> Tensor:
        return activations if self.model.transformer.batch_first else activations.transpose(0, 1)


class _TransformerTail(nn.Module):
    """A VisionTransformer whose images are embedded already."""

    _EMBEDDING = ("conv1", "class_embedding", "positional_embedding", "patch_dropout", "ln_pre")

    def __init__(self, visual: Any, block: int) -> None:
        super().__init__()
        transformer = shallow_copy(visual.transformer, resblocks=visual.transformer.resblocks[block:])
        self.visual = shallow_copy(visual, self._EMBEDDING, transformer=transformer, _embeds=_unchanged)

    def forward(self, activations: Tensor) -> Tensor:
        """(B, T, W) -> (B, D)."""
        return cast("Tensor", _first(self.visual(activations)))


class _ResNetTower(ImageTower):
    model: Any

    def _run(self, images: Tensor, with_tokens: bool) -> tuple[Tensor, Tensor | None]:
        with captured_inputs(self.model.attnpool) as captured:
            pooled = self.model(images)
        return pooled, as_sequence(captured[0]) if with_tokens else None


def _first(result: Any) -> Any:
    """The pooled feature, also of those models that return their tokens with it."""
    return result[0] if isinstance(result, tuple) else result


def _unchanged(activations: Tensor) -> Tensor:
    return activations
