"""JSON documents read field by field: what is not as expected is a SchemaError that names document and field."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from cache.errors import RESTORE, SchemaError

__all__ = ["Fields", "parsed_json"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_DEPTH = 32
_SHOWN = 60  # characters of a wrong value in a message


def parsed_json(text: str | bytes) -> Any:
    """What a JSON text holds. ValueError if it is none; NaN, infinity and very deep nesting are refused too."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


@dataclass(frozen=True)
class Fields:
    """One object of a document. Every method reads one field and raises a SchemaError if it is not as expected.

    Parameters
    ----------
    document : which one, for messages: `features/mini/faces.zarr: its manifest`
    values : the object
    path : dotted name of the object in the document; empty for the whole
    """

    document: str
    values: Mapping[str, Any]
    path: str = ""

    @classmethod
    def of(cls, document: str, values: Any) -> Fields:
        """The whole document, which has to be an object."""
        if not isinstance(values, dict):
            raise SchemaError(f"{document}: expected an object, found {_formatted(values)}. {RESTORE}")
        return cls(document, values)

    def wrong(self, name: str, expected: str) -> SchemaError:
        """The error about a field; also for what a caller compares itself."""
        found = _formatted(self.values[name]) if name in self.values else "no such field"
        return SchemaError(f"{self.document}: expected {expected} in {self._named(name)}, found {found}. {RESTORE}")

    def require_shallow(self) -> None:
        """Refuse objects and lists nested beyond any use: readers walk through them."""
        level: list[Any] = [self.values]
        for _ in range(_DEPTH):
            inside = [list(v.values()) if isinstance(v, Mapping) else v for v in level if isinstance(v, Mapping | list)]
            level = [item for items in inside for item in items]
        if level:
            where = f" in {self.path}" if self.path else ""
            raise SchemaError(
                f"{self.document}: expected objects nested up to {_DEPTH} deep{where}, found more. {RESTORE}"
            )

    def has(self, name: str) -> bool:
        return name in self.values

    def integer(self, name: str, least: int, most: int) -> int:
        value: Any = self.values.get(name)
        if not _is_integer(value, least, most):
            raise self.wrong(name, f"a whole number from {least} to {most}")
        return int(value)

    def integers(self, name: str, least: int, most: int, length: int | None = None) -> tuple[int, ...]:
        """A list of whole numbers: of `length`, or of any length but 0."""
        value: Any = self.values.get(name)
        is_list = isinstance(value, list) and bool(value) and length in (None, len(value))
        if not is_list or not all(_is_integer(item, least, most) for item in value):
            count = f"{length} " if length else ""
            raise self.wrong(name, f"a list of {count}whole numbers from {least} to {most}")
        return tuple(value)

    def text(self, name: str, pattern: re.Pattern[str] | None = None, expected: str = "a text") -> str:
        value = self.values.get(name)
        if not isinstance(value, str) or (pattern and not pattern.fullmatch(value)):
            raise self.wrong(name, expected)
        return value

    def digest(self, name: str) -> str:
        return self.text(name, _DIGEST, "a SHA-256 digest, 64 hexadecimal digits")

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.values.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(name, "a list of texts")
        return tuple(value)

    def number(self, name: str) -> float:
        """A finite number."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            raise self.wrong(name, "a finite number")
        return float(value)

    def mapping(self, name: str) -> Fields:
        """An object inside this one."""
        value = self.values.get(name)
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return Fields(self.document, value, self._named(name))

    def mappings(self, name: str) -> list[Fields]:
        """A list of objects."""
        value = self.values.get(name)
        if not isinstance(value, list):
            raise self.wrong(name, "a list of objects")
        return list(self._each(name, value))

    def _each(self, name: str, items: list[Any]) -> Iterator[Fields]:
        for i, item in enumerate(items):
            where = f"{self._named(name)}.{i}"
            if not isinstance(item, dict):
                raise SchemaError(
                    f"{self.document}: expected an object in {where}, found {_formatted(item)}. {RESTORE}"
                )
            yield Fields(self.document, item, where)

    def _named(self, name: str) -> str:
        """Dotted; a name from a file may be anything."""
        text = name if name.isidentifier() else _formatted(name)
        return f"{self.path}.{text}" if self.path else text


def _is_integer(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _formatted(value: Any) -> str:
    """A value in a message: control characters escaped, and cut."""
    try:
        text = ascii(value)
    except ValueError:  # a whole number of more digits than Python writes
        text = "a number of many digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
