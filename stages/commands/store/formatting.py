"""How the verbs of `store` show things to people; machines get them whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cache.places import AnyPath
from stages.commands.options import StoreType

__all__ = ["flattened", "human", "place_of", "shortened"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHOWN_DIGITS = 12


def shortened(value: Any) -> Any:
    """A digest by its first digits, as they are enough to tell two apart; anything else as it is."""
    return value[:_SHOWN_DIGITS] if isinstance(value, str) and _DIGEST.fullmatch(value) else value


def human(n_bytes: float) -> str:
    """1234567 -> `1.23 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"


def flattened(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested names joined by dots, digests shortened: one line per fact."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = shortened(value)
    return flat


def place_of(word: str) -> AnyPath:
    """A store or a features root, as `StoreType` reads it."""
    found: AnyPath = StoreType()(word)
    return found
