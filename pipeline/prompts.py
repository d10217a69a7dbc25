"""Prompt templates and class names -> sentences for a text tower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from pipeline.encoders.protocols import TextEncoder
from pipeline.errors import ConfigError
from pipeline.suggestions import did_you_mean
from pipeline.tables.labels import ADJECTIVES

__all__ = ["PROMPT_SETS", "check_template", "encode_prompts", "sentences", "templates"]

_NOUN, _ADJECTIVE = "[CLS]", "[ADJ]"

# Facts of the papers and of CLIP's published notes.
PROMPT_SETS: dict[str, tuple[str, ...]] = {
    # KE-FER, Table 3, in its order; the last one is its default
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
    # CLIP's standard template, as CLIPER compares with it
    "clip": ("a photo of [CLS].",),
    # CLIP's ensemble for FER2013, which has adjectives in place of nouns
    "clip-faces": (
        "a photo of a [ADJ] looking face.",
        "a photo of a face showing the emotion: [ADJ].",
        "a photo of a face looking [ADJ].",
        "a face that looks [ADJ].",
        "they look [ADJ].",
        "look at how [ADJ] they are.",
    ),
    # CLIPER's fixed prefix, with the class in the position of its learned tokens
    "cliper": ("an ID photo of [CLS].",),
    "names": ("[CLS]",),
}
_NO_OTHERS: Mapping[str, Sequence[str]] = MappingProxyType({})


def templates(prompt_set: str, others: Mapping[str, Sequence[str]] = _NO_OTHERS) -> tuple[str, ...]:
    """The templates of a named set.

    Parameters
    ----------
    prompt_set : of `PROMPT_SETS`, or of `others`
    others : sets of the user's own

    Raises
    ------
    ConfigError
        If there is no such set.
    """
    known = {**PROMPT_SETS, **others}
    if prompt_set not in known:
        hint = did_you_mean(prompt_set, known, otherwise="")
        raise ConfigError(f"prompts: expected one of {', '.join(known)}, found {prompt_set!r}. {hint}".rstrip())
    return tuple(known[prompt_set])


def check_template(template: str) -> None:
    """ConfigError if `template` has no placeholder for the class."""
    if _NOUN not in template and _ADJECTIVE not in template:
        raise ConfigError(
            f"prompt template {template!r} has no {_NOUN} for the class's noun (happiness), nor {_ADJECTIVE} for its "
            "adjective (happy)"
        )


def sentences(template: str, classes: Sequence[str]) -> list[str]:
    """One sentence per class: `[CLS]` becomes the class's canonical noun, `[ADJ]` its adjective.

    Raises
    ------
    ConfigError
        If the template has neither, or has `[ADJ]` and a class is no expression.
    """
    check_template(template)
    return [_filled(template, name) for name in classes]


def _filled(template: str, name: str) -> str:
    if _ADJECTIVE in template:
        if name not in ADJECTIVES:
            raise ConfigError(f"prompt template {template!r}: no adjective is known for {name!r}. Use {_NOUN}")
        template = template.replace(_ADJECTIVE, ADJECTIVES[name])
    return template.replace(_NOUN, name)


def encode_prompts(
    encoder: TextEncoder | None, templates: Sequence[str], classes: Sequence[str]
) -> npt.NDArray[np.float32]:
    """The vector of every template with every class: float32, shape (T, C, D_t), raw.

    Without an encoder, or without a template, it is of shape (0, C, 0).
    """
    if encoder is None or not templates:
        return np.empty((0, len(classes), 0), np.float32)
    return np.stack([encoder.encode_text(sentences(template, classes)) for template in templates])
