"""Differences of two records in words: plain data compared field by field, so that a message can name what differs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["changes_text", "differences_text"]


def differences_text(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> str:
    """`encoder.weights: expected 'a1', found 'b2'; precision: ...`; empty exactly if they are equal.

    Parameters
    ----------
    expected, actual : what JSON can hold; a tuple is a list there. A missing field is None, one in a field has a dotted
        name. Where one of them lacks a whole record of fields, their names are listed.
    """
    first, second = (json.loads(json.dumps(_plain(record))) for record in (expected, actual))
    return "; ".join(_differences(first, second, ""))


def changes_text(pairs: Mapping[str, tuple[Any, Any]]) -> str:
    """`root was 'A', is 'B', n was 400, is 600`: name -> old and new value, of those that differ; empty for none."""
    return ", ".join(f"{name} was {old!r}, is {new!r}" for name, (old, new) in pairs.items() if old != new)


def _differences(expected: dict[str, Any], actual: dict[str, Any], prefix: str) -> list[str]:
    texts = []
    for name in sorted({*expected, *actual}):
        a, b = expected.get(name), actual.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            texts += _differences(a, b, f"{prefix}{name}.")
        elif a != b:
            texts.append(f"{prefix}{name}: expected {_short(a)}, found {_short(b)}")
    return texts


def _short(value: Any) -> str:
    """A value, or the names of the fields of a record, which the other side lacks as a whole."""
    return f"a record of {', '.join(sorted(value))}" if isinstance(value, dict) and value else repr(value)


def _plain(value: Any) -> Any:
    """Mappings of every kind as dictionaries."""
    return {name: _plain(item) for name, item in value.items()} if isinstance(value, Mapping) else value
