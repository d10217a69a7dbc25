"""Options of which one or more values are read: views, levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["in_order_of"]


def in_order_of(known: Sequence[Any]) -> Callable[[Any], Any]:
    """A validator: values of `known`, each once and in its order; the text `S HL` and `S,HL` are two of them."""
    texts = [str(value) for value in known]

    def chosen(value: Any) -> Any:
        values = value.replace(",", " ").split() if isinstance(value, str) else value
        values = [values] if isinstance(values, int) else values
        if not isinstance(values, Sequence) or not values or any(str(each) not in texts for each in values):
            raise ValueError(f"expected one or more of {', '.join(texts)}")
        return tuple(sorted({known[texts.index(str(each))] for each in values}, key=known.index))

    return chosen
