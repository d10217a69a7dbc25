"""Durations as people write them: 2s, 0.5, 500ms, 1m."""

from __future__ import annotations

import math
import re

from pipeline.suggestions import closest

__all__ = ["seconds"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SPELLINGS = {
    **{unit: unit for unit in _UNITS},
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("msec", "milliseconds", "millis"), "ms"),
    **dict.fromkeys(("mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
}
_DURATION = re.compile(r"\s*([0-9]*[.,]?[0-9]+|[0-9]+[.])\s*([^\W\d_]*)\s*")


def seconds(duration: str | float) -> float:
    """A duration in seconds; a number without a unit is in seconds.

    Raises
    ------
    ValueError
        If it is none; the message says what is expected, and what was probably meant.
    """
    if isinstance(duration, int | float):
        value = float(duration)
        if isinstance(duration, bool) or not 0 <= value < math.inf:
            raise ValueError(_message(duration))
        return value
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise ValueError(_message(duration))
    number, unit = match.groups()
    if "," in number or (unit and unit not in _UNITS):
        raise ValueError(_message(duration, number.replace(",", "."), unit))
    return float(number) * _UNITS[unit or "s"]


def _message(duration: object, number: str = "", unit: str = "") -> str:
    likely = closest(unit.lower(), _SPELLINGS) if unit else ["s"]
    hint = f". Did you mean {number}{_SPELLINGS[likely[0]]}?" if number and likely else ""
    return f"expected a duration such as 2s, 0.5s, 500ms or 1m, found {duration!r}{hint}"
