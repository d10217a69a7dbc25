"""The canonical expressions, and how every dataset spells or numbers them.

The project stores names, never codes: a code means something else in every dataset.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pipeline.errors import ConfigError, LabelError
from pipeline.suggestions import closest, did_you_mean

__all__ = ["CODE_MAPS", "CONTEMPT", "EXPRESSIONS", "canonical", "decode", "expressions", "label_codes", "presets_of"]

CONTEMPT = "contempt"
# Canonical order; contempt is the optional eighth, so codes 0..6 mean the same with 7 and with 8 classes.
EXPRESSIONS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral", CONTEMPT)

_SPELLINGS = {
    "surprise": ("surprised", "su"),
    "fear": ("fearful", "afraid", "scared", "fe"),
    "disgust": ("disgusted", "di"),
    "happiness": ("happy", "happily", "joy", "joyful", "ha"),
    "sadness": ("sad", "sa"),
    "anger": ("angry", "an"),
    "neutral": ("neutrality", "normal", "ne"),
    CONTEMPT: ("contemptuous", "co"),
}
_ALIASES = {name: name for name in EXPRESSIONS} | {
    spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings
}
_NUMERIC_PREFIX = re.compile(r"^\d+[\s._-]+")


def _codes(names: str, first: int = 0) -> dict[int, str]:
    return {first + i: canonical(name) for i, name in enumerate(names.split())}


def canonical(label: str) -> str:
    """The canonical name of a spelled label: case, surrounding space and a numeric prefix (`0_anger`) do not matter.

    Raises
    ------
    LabelError
        If no spelling is known; the message suggests the nearest one. A bare number is never guessed.
    """
    word = _NUMERIC_PREFIX.sub("", label.strip().casefold())
    if word in _ALIASES:
        return _ALIASES[word]
    raise LabelError(f"unknown label {label!r}. {_advice(word)}")


def _advice(word: str) -> str:
    if word.isdigit():
        maps = ", ".join(CODE_MAPS)
        return f"A number means something else in every dataset: name a code map by the option codes=NAME ({maps})"
    return did_you_mean(_ALIASES[similar[0]] if (similar := closest(word, _ALIASES)) else word, EXPRESSIONS)


def decode(code: int, codes: Mapping[int, str], dataset: str) -> str:
    """The expression that `code` means in `dataset`.

    Raises
    ------
    LabelError
        If the map has no such code.
    """
    if code in codes:
        return codes[code]
    table = ", ".join(f"{c}={name}" for c, name in codes.items())
    raise LabelError(f"label code {code} is not in the map of {dataset}: {table}")


def presets_of(numbers: Iterable[int]) -> tuple[str, ...]:
    """The names of the code maps that have all of the numbers."""
    numbers = set(numbers)
    return tuple(name for name, codes in CODE_MAPS.items() if numbers <= codes.keys())


def expressions(n_classes: int) -> tuple[str, ...]:
    """The canonical classes: 7 (without contempt) or 8."""
    if n_classes not in (7, 8):
        raise ConfigError(f"classes: expected 7 or 8, found {n_classes}")
    return EXPRESSIONS[:n_classes]


def label_codes(labels: Iterable[str], classes: tuple[str, ...]) -> list[int]:
    """Positions of `labels` in `classes`.

    Raises
    ------
    LabelError
        If a label is not among the classes; all offenders are named.
    """
    index = {name: i for i, name in enumerate(classes)}
    labels = list(labels)
    if strange := sorted(set(labels) - set(index)):
        raise LabelError(f"labels outside the {len(classes)} classes {', '.join(classes)}: {', '.join(strange)}")
    return [index[label] for label in labels]


# Evidence for every order: shared knowledge of the field, checked against each dataset's own label file.
CODE_MAPS: dict[str, dict[int, str]] = {
    "raf-db": _codes("surprise fear disgust happiness sadness anger neutral", first=1),
    "raf-0-based": _codes("surprise fear disgust happiness sadness anger neutral"),
    "affectnet": _codes("neutral happiness sadness surprise fear disgust anger contempt"),
    "alphabetical-8": _codes("anger contempt disgust fear happiness neutral sadness surprise"),
    "alphabetical-7": _codes("anger disgust fear happiness neutral sadness surprise"),
    "fer2013": _codes("anger disgust fear happiness sadness surprise neutral"),
    "ck-plus": _codes("neutral anger contempt disgust fear happiness sadness surprise"),
    "dfew": _codes("happiness sadness neutral anger surprise disgust fear", first=1),
}
