"""Labels that are numbers, and whose meaning only the user knows: what fits them, and how they are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pipeline.errors import AmbiguousLabelsError
from pipeline.tables.labels import CODE_MAPS, presets_of

__all__ = ["NUMBER", "ambiguous_labels", "are_numbers"]

NUMBER = re.compile(r"[+-]?\d+(\.0*)?(e\+?0+)?", re.IGNORECASE)

_EXAMPLES = 24  # of each number: some may be images that cannot be decoded
_SHOWN = 20
_LARGEST, _IN = "happiness", "RAF-DB, AffectNet and FER2013"
_CLEARLY = 1.1


def are_numbers(labels: Sequence[str]) -> bool:
    """Whether there are labels, and all of them are bare numbers (`3`, `3.0`, ` 3.0000000e+00`)."""
    return bool(labels) and all(NUMBER.fullmatch(label.strip()) for label in set(labels))


def ambiguous_labels(labels: Sequence[str], paths: Sequence[str], where: str) -> AmbiguousLabelsError:
    """The error for labels that are all numbers, in a dataset that does not state what they mean.

    Parameters
    ----------
    labels : one per image, as they are written; `are_numbers`
    paths : of the same images below the root, or empty where there is none
    where : the label file or folder, for the message
    """
    images: dict[str, list[str]] = {}
    for label, path in zip(labels, paths, strict=True):
        images.setdefault(label, []).append(path)
    codes = sorted(images, key=lambda label: (_code(label), label))
    presets = presets_of(_code(label) for label in codes)
    counts = {code: len(images[code]) for code in codes}
    listed = ", ".join(f"{code} ({n:,} images)" for code, n in list(counts.items())[:_SHOWN])
    more = f" and {len(codes) - _SHOWN:,} more" if len(codes) > _SHOWN else ""
    message = (
        f"{where}: {len(codes)} unknown labels, all of them numbers, which mean something else in every dataset: "
        f"{listed}{more}. {_advice(presets)}{_hint(counts, presets)}"
    )
    return AmbiguousLabelsError(message, presets, {code: _spread(images[code]) for code in codes})


def _advice(presets: Sequence[str]) -> str:
    if not presets:
        return (
            f"No code map has all of them ({', '.join(CODE_MAPS)}): write one by the option codes, such as "
            "codes={0: anger, 1: disgust}"
        )
    maps = "".join(f"\n  codes={name}: {_text(CODE_MAPS[name])}" for name in presets)
    return f"Name the map that fits, or write one such as codes={{0: anger, 1: disgust}}, by the option codes:{maps}\n"


def _text(codes: Mapping[int, str]) -> str:
    return ", ".join(f"{code} {label}" for code, label in codes.items())


def _hint(counts: Mapping[str, int], presets: Sequence[str]) -> str:
    """For which maps the largest number is the expression that is the largest in most datasets; may be empty."""
    first, *rest = sorted(counts, key=lambda code: -counts[code])
    if not rest or counts[first] < _CLEARLY * counts[rest[0]]:
        return ""
    fitting = [name for name in presets if CODE_MAPS[name].get(_code(first)) == _LARGEST]
    if not fitting:
        return ""
    return (
        f"Most images have {first}; {_LARGEST} is the largest class of {_IN}, which speaks for {' or '.join(fitting)}: "
        "a hint and no proof."
    )


def _code(label: str) -> int:
    return int(float(label))


def _spread(paths: Sequence[str]) -> list[str]:
    """Some of the paths that there are, evenly spread."""
    known = [path for path in paths if path]
    n = min(_EXAMPLES, len(known))
    return [known[i * len(known) // n] for i in range(n)]
