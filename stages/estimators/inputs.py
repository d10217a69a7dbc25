"""What an estimator takes beside rows: text vectors of the classes, and the encoder of the features."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

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
    ValueError
        If vectors are missing, or not of one length.
    """
    if text is None or isinstance(text, TextFeatures):
        return text
    if isinstance(text, Mapping):
        vectors = _stacked({str(label): np.asarray(vector, np.float32) for label, vector in text.items()})[None]
        return TextFeatures(vectors, tuple(map(str, text)), ("{}",), {"family": "arrays"}, "text")
    if not isinstance(text, str | os.PathLike):
        raise TypeError(f"text: expected a path, TextFeatures or label -> vector, found {type(text).__name__}")
    from cache.texts import TextStore  # late: arrays need no files

    texts = TextStore.read(Path(text))
    return TextFeatures(texts.vectors, texts.classes, texts.templates, texts.encoder, texts.key)


def _stacked(vectors: Mapping[str, npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Vectors of labels as one array, shape (C, T)."""
    shapes = {vector.shape for vector in vectors.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        found = ", ".join(f"{label!r} {vector.shape}" for label, vector in vectors.items()) or "none"
        raise ValueError(f"text: expected a vector of one length for each label, found shapes {found}")
    return np.stack(list(vectors.values()))


def named_encoder(named: str | None, device: str, width: int) -> TorchEncoder | None:
    """The encoder that made the features; None where none is named, which the method's own check reports.

    Parameters
    ----------
    width : of the features

    Raises
    ------
    EncoderError
        If it cannot be loaded.
    TypeError
        If it is no network of PyTorch, which alone has a text tower that prompts can be learned for.
    ValueError
        If its features have another width.
    """
    if named is None:
        return None
    from pipeline.encoders import EncoderSpec  # late: they bring torch
    from pipeline.encoders.load import load_encoder
    from pipeline.encoders.torch_encoder import TorchEncoder

    encoder = load_encoder(EncoderSpec.parse(named), device, "eager")
    if not isinstance(encoder, TorchEncoder):
        raise TypeError(f"encoder: expected one with a text tower of PyTorch, such as mini, found {named}")
    if encoder.width != width:
        raise ValueError(f"X: expected features of {named}, which have {encoder.width} numbers each, found {width}")
    return encoder
