"""The canonical labels, the sets of classes that tables and heads have, and how every dataset spells or numbers them.

The project stores names, never codes: a code means something else in every dataset. `LABELS` is the one order of all
names: the eight expressions, three more of MAFW, then compound ones, which are two expressions at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from pipeline.errors import ConfigError, LabelError
from pipeline.suggestions import closest, did_you_mean

__all__ = [
    "ADJECTIVES",
    "CLASS_SETS",
    "CODE_MAPS",
    "COMPOUND",
    "COMPOUND_CODE_MAPS",
    "CONTEMPT",
    "EXPRESSIONS",
    "LABELS",
    "MAFW_CODE_MAPS",
    "ClassSet",
    "canonical",
    "class_set_names",
    "decode",
    "expressions",
    "fitting_class_set",
    "in_canonical_order",
    "is_abbreviation",
    "label_codes",
    "presets_of",
]

CONTEMPT = "contempt"
# Canonical order; contempt is the optional eighth, so codes 0..6 mean the same with 7 and with 8 classes.
EXPRESSIONS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral", CONTEMPT)

_MORE = ("anxiety", "helplessness", "disappointment")
_RAF_COMPOUND = (
    "happily surprised",
    "happily disgusted",
    "sadly fearful",
    "sadly angry",
    "sadly surprised",
    "sadly disgusted",
    "fearfully angry",
    "fearfully surprised",
    "angrily surprised",
    "angrily disgusted",
    "disgustedly surprised",
)
# The last three are those of RAF-CE that RAF-DB lacks. New names go to the end, so that the order of heads stays.
_COMPOUND_NAMES = (*_RAF_COMPOUND, "fearfully disgusted", "happily fearful", "happily sad")
LABELS = (*EXPRESSIONS, *_MORE, *_COMPOUND_NAMES)

ClassSet: TypeAlias = Literal[7, 8, "mafw", "raf-compound", "raf-ce"]
# Names of classes by the value of `classes`, in layouts and in params.yaml.
CLASS_SETS: dict[ClassSet, tuple[str, ...]] = {
    7: EXPRESSIONS[:7],
    8: EXPRESSIONS,
    "mafw": (*EXPRESSIONS, *_MORE),
    "raf-compound": _RAF_COMPOUND,
    "raf-ce": _COMPOUND_NAMES,
}

_SPELLINGS = {
    "surprise": ("surprised", "su", "sur"),
    "fear": ("fearful", "afraid", "scared", "fe", "fea"),
    "disgust": ("disgusted", "di", "dis"),
    "happiness": ("happy", "happily", "joy", "joyful", "ha", "hap"),
    "sadness": ("sad", "sa"),
    "anger": ("angry", "an", "ang"),
    "neutral": ("neutrality", "normal", "ne", "neu"),
    CONTEMPT: ("contemptuous", "co"),
    "anxiety": ("anxious",),
    "helplessness": ("helpless",),
    "disappointment": ("disappointed",),
}
# CLIP's first word for each class of FER2013; for labels that FER2013 lacks, a word of the same form. A compound label
# is such words already.
ADJECTIVES = {
    "surprise": "surprised",
    "fear": "fearful",
    "disgust": "disgusted",
    "happiness": "happy",
    "sadness": "sad",
    "anger": "angry",
    "neutral": "neutral",
    CONTEMPT: "contemptuous",
    "anxiety": "anxious",
    "helplessness": "helpless",
    "disappointment": "disappointed",
    **{name: name for name in _COMPOUND_NAMES},
}
_ADVERBS = {
    "happily": "happiness",
    "sadly": "sadness",
    "fearfully": "fear",
    "angrily": "anger",
    "disgustedly": "disgust",
}


def _parts(compound: str) -> tuple[str, str]:
    first, second = compound.split()
    return _ADVERBS[first], next(name for name in EXPRESSIONS if ADJECTIVES[name] == second)


# Compound label -> the two expressions that it is made of, the stressed one last.
COMPOUND = {name: _parts(name) for name in _COMPOUND_NAMES}
_ALIASES = {name: name for name in LABELS} | {
    spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings
}
_COMPOUND_ALIASES = {name.replace(" ", ""): name for name in _COMPOUND_NAMES}
_LONGEST_ABBREVIATION = 3
_SHORT_WORDS = frozenset({"sad", "joy"})
_SEPARATORS = re.compile(r"[\s_\-]+")
_NUMERIC_PREFIX = re.compile(r"^\d+[\s._-]+")


def _codes(names: str, first: int = 0) -> dict[int, str]:
    return {first + i: canonical(name) for i, name in enumerate(names.split())}


def canonical(label: str) -> str:
    """The canonical name of a spelled label: case, surrounding space and a numeric prefix (`0_anger`) do not matter.

    Between the words of a compound label may be a space, `_`, `-` or nothing: `HappilySurprised`, `happily_surprised`.

    Raises
    ------
    LabelError
        If no spelling is known; the message suggests the nearest one. A bare number is never guessed.
    """
    word = _NUMERIC_PREFIX.sub("", label.strip().casefold())
    if word in _ALIASES:
        return _ALIASES[word]
    if (compound := _SEPARATORS.sub("", word)) in _COMPOUND_ALIASES:
        return _COMPOUND_ALIASES[compound]
    raise LabelError(f"unknown label {label!r}. {_advice(word)}")


def is_abbreviation(label: str) -> bool:
    """Whether a spelled label is two or three letters and no word: `AN`, `hap`. Anything may be named so by chance."""
    word = label.strip().casefold()
    return word in _ALIASES and len(word) <= _LONGEST_ABBREVIATION and word not in _SHORT_WORDS


def _advice(word: str) -> str:
    if word.isdigit():
        maps = ", ".join(CODE_MAPS)
        return f"A number means something else in every dataset: name a code map by the option codes=NAME ({maps})"
    similar = closest(word, _ALIASES)
    return did_you_mean(_ALIASES[similar[0]], LABELS) if similar else did_you_mean(word, EXPRESSIONS)


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


def presets_of(numbers: Iterable[int], maps: Mapping[str, Mapping[int, str]] | None = None) -> tuple[str, ...]:
    """The names of the code maps, by default those of expressions, that have all of the numbers."""
    numbers = set(numbers)
    return tuple(name for name, codes in (maps or CODE_MAPS).items() if numbers <= codes.keys())


def expressions(classes: ClassSet) -> tuple[str, ...]:
    """The classes of a set, in canonical order: 7 (without contempt), 8, or a set by name.

    Raises
    ------
    ConfigError
        If there is no such set.
    """
    if classes not in CLASS_SETS or isinstance(classes, bool):
        raise ConfigError(f"classes: expected {class_set_names(CLASS_SETS)}, found {classes!r}")
    return CLASS_SETS[classes]


def fitting_class_set(classes: ClassSet, sets: Sequence[ClassSet]) -> ClassSet:
    """Of the `sets` that a layout has: `classes`, else the largest one within it, else the first."""
    within = [name for name in sets if set(CLASS_SETS[name]) <= set(expressions(classes))]
    return max(within, key=lambda name: len(CLASS_SETS[name]), default=sets[0])


def class_set_names(sets: Iterable[int | str]) -> str:
    """Values of `classes`, for a message: `7, 8 or raf-compound`."""
    *most, last = map(str, sets)
    return f"{', '.join(most)} or {last}" if most else last


def in_canonical_order(names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that are labels, each once, in the order of `LABELS`."""
    known = set(names)
    return tuple(name for name in LABELS if name in known)


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
    "dfew-0-based": _codes("happiness sadness neutral anger surprise disgust fear"),  # txt lists of public code
}
# Apart from those of expressions: numbers from 1 to 7 would fit these, too.
COMPOUND_CODE_MAPS: dict[str, dict[int, str]] = {"raf-compound": dict(enumerate(_RAF_COMPOUND, start=1))}
# The lists of DFER-CLIP number MAFW's labels in another order than those of EmoCLIP and MAE-DFER.
MAFW_CODE_MAPS: dict[str, dict[int, str]] = {
    "mafw-dfer-clip": _codes(f"happiness sadness neutral anger surprise disgust fear contempt {' '.join(_MORE)}"),
    "mafw-emoclip": _codes(f"anger disgust fear happiness neutral sadness surprise contempt {' '.join(_MORE)}"),
}
