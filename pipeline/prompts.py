"""Prompt templates and class names -> sentences for a text tower."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.encoders.base import Encoder
from pipeline.errors import ConfigError

__all__ = ["PROMPT_SETS", "encode_prompts", "sentences", "templates"]

_BLANK = "[CLS]"

# Facts of the papers: KE-FER's nine templates in the order of its Table 3, the last one its default; CLIP's own.
PROMPT_SETS: dict[str, tuple[str, ...]] = {
    "kefer": (
        "This person is [CLS].",
        "A photo of a [CLS] face.",
        "This is a [CLS] facial expression.",
        "A person makes a [CLS] facial expression.",
        "An ID photo of a [CLS] facial expression.",
        "A person is feeling [CLS].",
        "A person feeling [CLS] on the face.",
        "A photo of a person with a [CLS] expression on the face.",
        "A photo of a person making a [CLS] facial expression.",
    ),
    "clip": ("a photo of [CLS].",),
}


def templates(prompt_set: str) -> tuple[str, ...]:
    """The templates of a named set.

    Raises
    ------
    ConfigError
        If there is no such set.
    """
    if prompt_set not in PROMPT_SETS:
        raise ConfigError(f"prompts: expected one of {', '.join(PROMPT_SETS)}, found {prompt_set!r}")
    return PROMPT_SETS[prompt_set]


def sentences(template: str, classes: Sequence[str]) -> list[str]:
    """One sentence per class: `[CLS]` is replaced by the class's canonical noun.

    Raises
    ------
    ConfigError
        If the template has no `[CLS]`.
    """
    if _BLANK not in template:
        raise ConfigError(f"prompt template {template!r} has no {_BLANK} for the class name")
    return [template.replace(_BLANK, name) for name in classes]


def encode_prompts(encoder: Encoder, templates: Sequence[str], classes: Sequence[str]) -> npt.NDArray[np.float32]:
    """The vector of every template with every class: float32, shape (T, C, D_t), raw; (0, C, 0) for no template.

    Raises
    ------
    EncoderError
        If the encoder has no text tower.
    """
    if not templates:
        return np.empty((0, len(classes), 0), np.float32)
    return np.stack([encoder.encode_text(sentences(template, classes)) for template in templates])
