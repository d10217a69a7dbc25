"""Heads of the methods for noisy labels: importance of every image, an embedding of the maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.learning.layers import empty_linear, reset_linear
from pipeline.learning.spec import HeadSpec
from pipeline.methods.image.heads import ImageHead

__all__ = ["EmbeddingHead", "ImportanceHead", "MapEmbedding"]


class ImportanceHead(ImageHead, kind="image-importance"):
    """Every image weighs its own logits: alpha = sigmoid(a f + c), logits = alpha * (W f + b)   [SCN]

    An image of little importance gets logits near zero and is predicted without conviction.

    Options: `backbone`.
    """

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.importance = empty_linear(self.backbone.width, 1)

    def reset(self, rng: torch.Generator) -> None:
        super().reset(rng)
        reset_linear(self.importance, rng)

    def classify(self, embedded: Tensor) -> Tensor:
        return self.logits_and_importance(embedded)[0]

    def logits_and_importance(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Embedded images or clips, float32 (B, D), to logits, float32 (B, C), and alpha, float32 in (0, 1), (B,)."""
        importance = self.importance(embedded).sigmoid()  # (B, 1)
        return importance * self.classifier(embedded), importance[:, 0]


class EmbeddingHead(ImageHead, kind="image-embedding"):
    """A narrow embedding of the backbone's last maps, and a linear classifier on it   [RUL]

    Options: `backbone`, `dimensions` (of the embedding).
    """

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.embedding = self.new_embedding()
        self.classifier = empty_linear(self.embedding.dimensions, len(spec.classes))

    def new_embedding(self) -> MapEmbedding:
        """An embedding of the backbone's maps, without values."""
        side = self.backbone.map_side(self.size)
        return MapEmbedding(self.backbone.width, side, self.spec.options["dimensions"])

    def reset(self, rng: torch.Generator) -> None:
        super().reset(rng)
        self.embedding.reset(rng)

    def embed(self, images: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(self.backbone.maps(images))
        return embedded


class MapEmbedding(nn.Module):
    """Batch norm, dropout, one linear layer over all places of the maps, batch norm   [RUL, authors' code]

    Parameters
    ----------
    width, side : D and h = w of the maps
    dimensions : E of the embedding

    Notes
    -----
    The layer knows where in the face a channel speaks, which a mean over places forgets; so it fits one image size.
    """

    def __init__(self, width: int, side: int, dimensions: int) -> None:
        super().__init__()
        self.map_shape, self.dimensions = (width, side, side), dimensions
        self.norm_maps = nn.BatchNorm2d(width, eps=2e-5, affine=False)
        self.linear = empty_linear(width * side * side, dimensions)
        self.norm = nn.BatchNorm1d(dimensions, eps=2e-5)

    def reset(self, rng: torch.Generator) -> None:
        """Draw the initial weights."""
        reset_linear(self.linear, rng)
        self.norm_maps.reset_parameters()
        self.norm.reset_parameters()

    def draw_dropout(self, n: int, dropout: float, rng: torch.Generator) -> Tensor:
        """What dropout leaves of `n` images' maps: 0 or 1 / (1 - dropout), float32 (n, D, h, w)."""
        mask = torch.empty(n, *self.map_shape).bernoulli_(1 - dropout, generator=rng)
        return mask / (1 - dropout)

    def forward(self, maps: Tensor, mask: Tensor | None = None) -> Tensor:
        """Maps, float32 (B, D, h, w), to embeddings, float32 (B, E); `mask` from `draw_dropout` when training."""
        for norm in (self.norm_maps, self.norm):
            norm.train(self.training and len(maps) > 1)  # one row has no statistics of its own
        normed: Tensor = self.norm_maps(maps)
        embedding: Tensor = self.norm(self.linear((normed if mask is None else normed * mask).flatten(1)))
        return embedding
