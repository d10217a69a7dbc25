"""What an estimator takes beside rows: text vectors of the classes, and the encoder of the features."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.text_features import TextFeatures

if TYPE_CHECKING:
    from pipeline.encoders.torch_encoder import TorchEncoder

__all__ = ["named_encoder", "text_features"]


def text_features(text: Any) -> TextFeatures | None:
    """Vectors of the classes; None where there are none, which the method's own check reports.

    Raises
    ------
    CacheError
        If a file is not what `encode-text` wrote.
    TypeError
        If it is none of what `text` may be.
    """
    if text is None or isinstance(text, TextFeatures):
        return text
    if isinstance(text, Mapping):
        vectors = np.stack([np.asarray(vector, np.float32) for vector in text.values()])[None]
        return TextFeatures(vectors, tuple(map(str, text)), ("{}",), {"family": "arrays"}, "text")
    if not isinstance(text, str | os.PathLike):
        raise TypeError(f"text: expected a path, TextFeatures or label -> vector, found {type(text).__name__}")
    from cache.texts import TextStore  # late: arrays need no files

    texts = TextStore.read(Path(text))
    return TextFeatures(texts.vectors, texts.classes, texts.templates, texts.encoder, texts.key)


def named_encoder(named: str | None, device: str) -> TorchEncoder | None:
    """The encoder that made the features; None where none is named, which the method's own check reports.

    Raises
    ------
    EncoderError
        If it cannot be loaded.
    TypeError
        If it is no network of PyTorch, which alone has a text tower that prompts can be learned for.
    """
    if named is None:
        return None
    from pipeline.encoders import EncoderSpec  # late: they bring torch
    from pipeline.encoders.load import load_encoder
    from pipeline.encoders.torch_encoder import TorchEncoder

    encoder = load_encoder(EncoderSpec.parse(named), device, "eager")
    if not isinstance(encoder, TorchEncoder):
        raise TypeError(f"encoder: expected one with a text tower of PyTorch, such as mini, found {named}")
    return encoder
