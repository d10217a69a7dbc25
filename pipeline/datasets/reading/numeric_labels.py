"""Labels that are bare numbers: what they mean is the user's to say, and which known orders fit is data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pipeline.errors import AmbiguousLabelsError
from pipeline.tables.labels import CODE_MAPS

__all__ = ["fitting_presets", "is_number", "refuse_numbers"]

_NUMBER = re.compile(r"[+-]?\d+(\.0*)?(e\+?0+)?", re.IGNORECASE)
_EXAMPLES = 8


def is_number(label: str) -> bool:
    """Whether a label is a whole number: `3`, `3.0`, ` 3.0000000e+00`."""
    return _NUMBER.fullmatch(label.strip()) is not None


def fitting_presets(numbers: Iterable[int]) -> tuple[str, ...]:
    """Names of the code maps that have all of the numbers."""
    numbers = set(numbers)
    return tuple(name for name, codes in CODE_MAPS.items() if numbers <= codes.keys())


def refuse_numbers(labels: Sequence[str], paths: Sequence[str], where: str, hint: str = "") -> None:
    """Refuse labels that are all numbers; others, and rows without a label (an empty text), are not looked at.

    Parameters
    ----------
    labels, paths : of each row
    hint : what else is known, without a full stop

    Raises
    ------
    AmbiguousLabelsError
        With the presets that have all of the numbers, and examples of each.
    """
    examples: dict[str, list[str]] = {}
    for label, path in zip(labels, paths, strict=True):
        if label:
            examples.setdefault(label.strip(), []).append(path)
    if not examples or not all(map(is_number, examples)):
        return
    ordered = dict(sorted(examples.items(), key=lambda item: float(item[0])))
    presets = fitting_presets(int(float(label)) for label in ordered)
    raise AmbiguousLabelsError(
        f"{where}: expected labels with names, found bare numbers: {_counts(ordered)}. A number means something else "
        f"in every dataset, and the file does not name them.{f' Note that {hint}.' if hint else ''} {_advice(presets)}",
        presets,
        {label: paths[:_EXAMPLES] for label, paths in ordered.items()},
    )


def _counts(examples: Mapping[str, Sequence[str]]) -> str:
    shown = [f"{label} ({len(paths):,} images)" for label, paths in list(examples.items())[:12]]
    return ", ".join(shown) + (f", and {len(examples) - 12} more" if len(examples) > 12 else "")


def _advice(presets: Sequence[str]) -> str:
    inline = "a map of your own, codes={0: anger, 1: disgust, ...}"
    if not presets:
        return f"No known order has all of these numbers: give {inline}"
    orders = "; ".join(
        f"{name}: {', '.join(f'{c} {label}' for c, label in CODE_MAPS[name].items())}" for name in presets
    )
    return f"Look at some images of each number, then name the order by the option codes=NAME ({orders}), or {inline}"


def _order(codes: Mapping[int, str]) -> str:
    return ", ".join(f"{code} {label}" for code, label in codes.items())
