"""Checked access to plain JSON: every complaint names the file and the field."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from pipeline.errors import InputError

__all__ = ["Fields", "is_gap", "objects"]

_AGAIN = "Run its stage again"
_MOST = 2**53  # of whole numbers: what every reader of JSON holds exactly


class Fields:
    """One JSON object whose fields are read with a stated type.

    Parameters
    ----------
    data : parsed JSON; anything but an object is refused. Kept as `data`
    where : names the file, and the place in it, in messages
    advice : what to do about a field that is missing or wrong

    Raises
    ------
    InputError
        Here and from every method: if a field is missing or is not what the method promises.
    """

    def __init__(self, data: Any, where: str, advice: str = _AGAIN) -> None:
        if not isinstance(data, Mapping):
            raise InputError(f"{where}: expected a JSON object, found {data!r}. {advice}")
        self.data = data
        self.where = where
        self.advice = advice

    def text(self, name: str) -> str:
        return str(self._read(name, lambda value: isinstance(value, str), "text"))

    def flag(self, name: str) -> bool:
        return bool(self._read(name, lambda value: isinstance(value, bool), "true or false"))

    def count(self, name: str) -> int:
        """A whole number >= 0."""
        return int(self._read(name, _is_count, "a whole number, 0 or more"))

    def number(self, name: str) -> float:
        """A finite number."""
        return float(self._read(name, _is_number, "a finite number"))

    def fraction(self, name: str) -> float:
        """A number in [0, 1]: records hold fractions, only the page shows percent."""
        return float(self._read(name, _is_fraction, "a fraction in [0, 1], not percent"))

    def interval(self, name: str) -> tuple[float, float]:
        """Two fractions, the lower one first."""
        low, high = self._read(name, _is_interval, "two fractions in [0, 1], the lower one first")
        return float(low), float(high)

    def names(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(self._read(name, lambda value: _is_list_of(_is_text, value), "a list of names"))

    def counts(self, name: str) -> dict[str, int]:
        """An object that holds a count for every name."""
        return dict(self._read(name, lambda value: _is_object_of(_is_count, value), "an object of counts"))

    def counts_or_null(self, name: str) -> dict[str, int] | None:
        """An object of counts; None for null."""
        return None if self.data.get(name, "") is None else self.counts(name)

    def fractions(self, name: str) -> dict[str, float | None]:
        """An object that holds a fraction or null for every name."""
        expected = "an object of fractions in [0, 1] or null"
        return dict(self._read(name, lambda value: _is_object_of(_is_fraction_or_null, value), expected))

    def table(self, name: str, n: int) -> tuple[tuple[int, ...], ...]:
        """`n` lists of `n` counts."""
        rows = self._read(name, lambda value: _is_square(value, n), f"{n} lists of {n} counts")
        return tuple(tuple(row) for row in rows)

    def mapping(self, name: str) -> dict[str, Any]:
        """An object of anything."""
        return dict(self._read(name, lambda value: isinstance(value, Mapping), "an object"))

    def inner(self, name: str) -> Fields:
        """The fields of the object in field `name`."""
        return Fields(self.mapping(name), f"{self.where}, {name}", self.advice)

    def refuse(self, name: str, expected: str, found: object) -> NoReturn:
        """Complain about field `name`."""
        raise InputError(f"{self.where}: expected {name!r} to be {expected}, found {found}. {self.advice}")

    def _read(self, name: str, fits: Callable[[Any], bool], expected: str) -> Any:
        if name not in self.data:
            self.refuse(name, expected, "no such field")
        value = self.data[name]
        if not fits(value):
            self.refuse(name, expected, repr(value))
        return value


def objects(data: Any, where: str, advice: str = _AGAIN) -> Iterator[Fields]:
    """The fields of every object in a JSON list.

    Raises
    ------
    InputError
        If `data` is no list or one of its items is no object.
    """
    if not _is_list(data):
        raise InputError(f"{where}: expected a JSON list of objects, found {data!r}. {advice}")
    return (Fields(item, f"{where}, item {i}", advice) for i, item in enumerate(data))


def is_gap(value: Any) -> bool:
    """Whether a measured value is missing: null, NaN or infinite."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= _MOST if isinstance(value, int) else math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST


def _is_fraction(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_fraction_or_null(value: Any) -> bool:
    return value is None or _is_fraction(value)


def _is_interval(value: Any) -> bool:
    return _is_list_of(_is_fraction, value) and len(value) == 2 and value[0] <= value[1]


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_list_of(fits: Callable[[Any], bool], value: Any) -> bool:
    return _is_list(value) and all(fits(item) for item in value)


def _is_object_of(fits: Callable[[Any], bool], value: Any) -> bool:
    return isinstance(value, Mapping) and all(fits(item) for item in value.values())


def _is_square(value: Any, n: int) -> bool:
    return _is_list_of(lambda row: _is_list_of(_is_count, row) and len(row) == n, value) and len(value) == n
