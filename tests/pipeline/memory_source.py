"""A FeatureSource in memory, for tests of heads: arrays in, a record of every split that was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.labels import EXPRESSIONS
from pipeline.text_features import TextFeatures

__all__ = ["MemorySource", "separable_source", "text_for"]


@dataclass
class MemorySource:
    """`splits` maps a split to its features, shape (V, N, D), and labels, shape (N,). Other splits raise KeyError."""

    splits: Mapping[str, tuple[npt.NDArray[Any], npt.NDArray[np.str_]]]
    dataset: str = "faces"
    key: str = "0123abcd"
    encoder: Mapping[str, Any] = field(default_factory=lambda: {"family": "fake", "architecture": "mean"})
    classes: tuple[str, ...] = EXPRESSIONS[:7]
    masked: Mapping[str, int] = field(default_factory=dict)
    reads: list[tuple[str, int]] = field(default_factory=list)

    def width(self, output: str = "pooled") -> int:
        return int(self.splits["train"][0].shape[-1])

    def labels(self, split: str) -> npt.NDArray[np.str_]:
        return self.splits[split][1]

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        return np.array([f"{split}-{i}" for i in range(len(self.labels(split)))], dtype=np.str_)

    def features(self, split: str, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        self.reads.append((split, view))
        return self.splits[split][0][view]

    def n_views(self) -> int:
        return len(self.splits["train"][0])

    def rejected(self, split: str) -> int:
        return self.masked.get(split, 0)


def separable_source(
    classes: tuple[str, ...] = EXPRESSIONS[:7],
    n: int = 16,
    width: int = 32,
    n_views: int = 1,
    absent: str | None = None,
    splits: tuple[str, ...] = ("train", "val"),
) -> MemorySource:
    """Each split holds the same `n` rows: noise around one far-apart centre per class, different in every view."""
    rng = np.random.default_rng(7)
    used = [name for name in classes if name != absent]
    labels = np.array([used[i % len(used)] for i in range(n)], dtype=np.str_)
    centres = {name: 3 * rng.standard_normal(width) for name in classes}
    plain = np.stack([centres[label] for label in labels])
    views = (plain + 0.3 * rng.standard_normal((n_views, n, width))).astype(np.float32)
    return MemorySource(
        {split: (views if split == "train" else views[:1], labels) for split in splits}, classes=classes
    )


def text_for(classes: tuple[str, ...], width: int = 24) -> TextFeatures:
    """Two templates of random text vectors."""
    vectors = np.random.default_rng(11).standard_normal((2, len(classes), width)).astype(np.float32)
    return TextFeatures(vectors, classes, ("a {} face", "a photo of {}"), {"family": "fake-text"}, "text0123")
