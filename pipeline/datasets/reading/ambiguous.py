"""Labels that are numbers, and whose meaning only the user knows: what fits them, and how they are refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pipeline.errors import AmbiguousLabelsError
from pipeline.tables.labels import CODE_MAPS, EXPRESSIONS, presets_of

__all__ = ["OptionCodes", "incomplete_map", "is_number", "refuse_numbers"]

_NUMBER = re.compile(r"[+-]?\d+(\.0*)?(e\+?0+)?", re.IGNORECASE)

_EXAMPLES = 24  # of each number: some may be images that cannot be decoded
_SHOWN = 20
_LARGEST, _IN = "happiness", "RAF-DB, AffectNet and FER2013"
_CLEARLY = 1.1


class OptionCodes(dict[int, str]):
    """Code -> expression as the option `codes` states it: the user can add what it lacks, unlike a map of a layout."""


def incomplete_map(labels: Iterable[str], codes: Mapping[int, str] | None) -> str:
    """What to add to an option `codes` that lacks numbers of the labels; empty if there is nothing to add."""
    if not isinstance(codes, OptionCodes):
        return ""
    numbers = {_code(label) for label in labels if is_number(label)}
    missing = sorted(numbers - codes.keys())
    if not missing:
        return ""
    names = ", ".join(map(str, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
    added = {**codes, **dict.fromkeys(missing[:_SHOWN], "NAME")}
    written = ", ".join(f"{code}: {added[code]}" for code in sorted(added))
    fitting = " or ".join(_option(name) for name in presets_of(numbers))
    return f"The option codes has no name for {names}. Add it: codes={{{written}}}" + (
        f"; maps that have all of the numbers: {fitting}" if fitting else ""
    )


def is_number(label: str) -> bool:
    """Whether a label is a whole number: `3`, `3.0`, ` 3.0000000e+00`."""
    return _NUMBER.fullmatch(label.strip()) is not None


def refuse_numbers(
    labels: Sequence[str],
    paths: Sequence[str],
    where: str,
    note: str = "",
    maps: Mapping[str, Mapping[int, str]] | None = None,
    noun: str = "images",
) -> None:
    """Refuse labels that are all numbers, in a dataset that does not state what they mean.

    Parameters
    ----------
    labels : one per image, as they are written; an empty text where there is none
    paths : of the same images below the root, or empty where there is none
    where : the label file or folder, for the message
    note : what else is known of the numbers, a sentence with its full stop
    maps : those that the option `codes` of a layout has, where they are its own
    noun : what has a label: images or clips

    Raises
    ------
    AmbiguousLabelsError
        With the code maps that have all of the numbers, and examples of each.
    """
    images: dict[str, list[str]] = {}
    for label, path in zip(labels, paths, strict=True):
        if label:
            images.setdefault(label, []).append(path)
    if not images or not all(map(is_number, images)):
        return
    codes = sorted(images, key=lambda label: (_code(label), label))
    presets = presets_of(map(_code, codes), maps)
    counts = {code: len(images[code]) for code in codes}
    advice = _advice(presets) + _hint(counts, presets) if maps is None else _own_advice(presets, maps, counts)
    message = " ".join(filter(None, (_found(counts, where, noun), note, advice)))
    raise AmbiguousLabelsError(message, presets, {code: _spread(images[code]) for code in codes})


def _found(counts: Mapping[str, int], where: str, noun: str) -> str:
    listed = ", ".join(f"{code} ({n:,} {noun})" for code, n in list(counts.items())[:_SHOWN])
    more = f" and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else ""
    return (
        f"{where}: {len(counts)} unknown labels, all of them numbers, which mean something else in every dataset: "
        f"{listed}{more}."
    )


def _advice(presets: Sequence[str]) -> str:
    if not presets:
        return (
            f"No code map has all of them ({', '.join(CODE_MAPS)}): write one by the option codes, such as "
            "codes={0: anger, 1: disgust}"
        )
    maps = "".join(f"\n  {_option(name)}: {_text(CODE_MAPS[name])}" for name in presets)
    return (
        f"Name the map that fits by the option codes=NAME, or write one such as codes={{0: anger, 1: disgust}}:{maps}\n"
    )


def _own_advice(presets: Sequence[str], maps: Mapping[str, Mapping[int, str]], counts: Mapping[str, int]) -> str:
    """As `_advice`, of a layout that has its own maps: what each of them would count."""
    if not presets:
        known = "".join(f"\n  codes={name}: {_text(codes)}" for name, codes in maps.items())
        return f"No order of this dataset has all of them. Correct the list; known orders:{known}\n"
    read = {name: {maps[name][_code(number)]: n for number, n in counts.items()} for name in presets}
    texts = {name: ", ".join(f"{label} {n:,}" for label, n in labels.items()) for name, labels in read.items()}
    lines = "".join(f"\n  codes={name} would count {text}" for name, text in texts.items())
    return f"Name the order that the list was written in by the option codes=NAME:{lines}\n"


def _option(name: str) -> str:
    """How a map is named; labels beyond the expressions also need their set of classes, which has the same name."""
    is_basic = set(CODE_MAPS[name].values()) <= set(EXPRESSIONS)
    return f"codes={name}" if is_basic else f"codes={name} and classes={name}"


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
