"""A FeatureSource in memory, for tests of heads: arrays in, a record of every split that was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.tables.labels import EXPRESSIONS
from pipeline.text_features import TextFeatures

__all__ = ["MemorySource", "separable_source", "text_for"]

SIDE = 32  # of the pixels, in pixels
TOKENS = (5, 32)  # tokens and block-1 of tiny_encoder


@dataclass
class MemorySource:
    """`splits`: split -> pooled features, shape (V, N, D), and labels, shape (N,). Other splits raise KeyError.

    `others` holds the other outputs, output -> split -> (V, N, *row_shape); `soft` the soft labels, split -> (N, C);
    `reads` every (split, output, view) read.
    """

    splits: Mapping[str, tuple[npt.NDArray[Any], npt.NDArray[np.str_]]]
    dataset: str = "faces"
    key: str = "0123abcd"
    encoder: Mapping[str, Any] = field(
        default_factory=lambda: {"encoder": {"architecture": "mean"}, "precision": "float32"}
    )
    classes: tuple[str, ...] = EXPRESSIONS[:7]
    masked: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, Mapping[str, npt.NDArray[Any]]] = field(default_factory=dict)
    soft: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    reads: list[tuple[str, str, int]] = field(default_factory=list)

    def row_shape(self, output: str = "pooled") -> tuple[int, ...]:
        if output != "pooled" and output not in self.others:
            raise LookupError(f"has no {output}. Run: fer-stage extract --outputs {output}")
        return tuple(self._array("train", output).shape[2:])

    def labels(self, split: str) -> npt.NDArray[np.str_]:
        return self.splits[split][1]

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        return np.array([f"{split}-{i}" for i in range(len(self.labels(split)))], dtype=np.str_)

    def features(self, split: str, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        self.reads.append((split, output, view))
        return self._array(split, output)[view]

    def distributions(self, split: str) -> npt.NDArray[np.float64]:
        without = np.full((len(self.labels(split)), len(self.classes)), np.nan)
        return self.soft.get(split, without)

    def n_views(self) -> int:
        return len(self.splits["train"][0])

    def rejected(self, split: str) -> int:
        return self.masked.get(split, 0)

    def _array(self, split: str, output: str) -> npt.NDArray[Any]:
        return self.splits[split][0] if output == "pooled" else self.others[output][split]


def separable_source(
    classes: tuple[str, ...] = EXPRESSIONS[:7],
    n: int = 16,
    width: int = 32,
    n_views: int = 1,
    absent: str | None = None,
    splits: tuple[str, ...] = ("train", "val"),
) -> MemorySource:
    """Each split holds the same `n` rows: noise around one far-apart centre per class, different in every view.

    So do `tokens` and `block-1`, and `pixels`, whose centres are blocky pictures. Of a soft label the row's class has
    0.7, the first class the rest. The encoder's identity is that of tiny_encoder.
    """
    from tiny_encoder import tiny_encoder

    rng = np.random.default_rng(7)
    used = [name for name in classes if name != absent]
    labels = np.array([used[i % len(used)] for i in range(n)], dtype=np.str_)
    pooled = _around(_centres(classes, width), labels, n_views, rng)
    patterns = np.random.default_rng(13).integers(40, 216, (len(classes), 4, 4, 3))
    pictures = dict(zip(classes, patterns.repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2) / 10, strict=True))
    others = {
        "tokens": _around(_centres(classes, TOKENS, 17), labels, n_views, rng),
        "block-1": _around(_centres(classes, TOKENS, 19), labels, n_views, rng),
        "pixels": (10 * _around(pictures, labels, n_views, rng)).clip(0, 255).astype(np.uint8),
    }

    def of(split: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values.copy() if split == "train" else values[:1].copy()

    return MemorySource(
        {split: (of(split, pooled), labels.copy()) for split in splits},
        encoder={
            "encoder": tiny_encoder().identity,
            "preprocess": tiny_encoder().preprocess.as_json(),
            "precision": "float32",
        },
        classes=classes,
        soft={split: _soft(labels, classes) for split in splits},
        others={output: {split: of(split, values) for split in splits} for output, values in others.items()},
    )


def _centres(classes: tuple[str, ...], shape: Any, seed: int = 5) -> dict[str, npt.NDArray[np.float64]]:
    shape = (shape,) if isinstance(shape, int) else shape
    return {name: 3 * np.random.default_rng([seed, EXPRESSIONS.index(name)]).standard_normal(shape) for name in classes}


def _soft(labels: npt.NDArray[np.str_], classes: tuple[str, ...]) -> npt.NDArray[np.float64]:
    shares = 0.7 * (labels[:, None] == np.array(classes))
    shares[:, 0] += 0.3
    return shares


def _around(
    centres: Mapping[str, npt.NDArray[Any]], labels: npt.NDArray[np.str_], n_views: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    plain = np.stack([centres[label] for label in labels])
    return (plain + 0.3 * rng.standard_normal((n_views, *plain.shape))).astype(np.float32)


def text_for(classes: tuple[str, ...], width: int = 32) -> TextFeatures:
    """Two templates, whose vectors lie around the centres of `separable_source`: text in the space of the features.

    The encoder's identity is that of tiny_encoder.
    """
    from tiny_encoder import tiny_encoder

    centres = np.stack(list(_centres(classes, width).values()))
    noise = np.random.default_rng(11).standard_normal((2, *centres.shape))
    vectors = (centres + 0.1 * noise).astype(np.float32)
    return TextFeatures(vectors, classes, ("a {} face", "a photo of {}"), tiny_encoder().identity, "text0123")
