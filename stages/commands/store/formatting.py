"""Values in the tables of `store`; JSON and CSV have them unchanged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["flattened", "human", "shortened"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_N_DIGITS = 12


def shortened(value: Any) -> Any:
    """The first digits of a digest, enough to distinguish two; anything else unchanged."""
    return value[:_N_DIGITS] if isinstance(value, str) and _DIGEST.fullmatch(value) else value


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
