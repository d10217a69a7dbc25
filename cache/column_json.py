"""JSON of long columns, in a fraction of the time of the standard library's encoder."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np

__all__ = ["column_json"]


def column_json(rows: Sequence[Any]) -> str:
    """Many texts, or many pairs of a text and None, as JSON without spaces; empty for all others.

    Also empty where JSON would escape a character: digests, paths and labels have none.
    """
    kinds = set(map(type, rows))
    if kinds == {str}:
        return _joined(rows, '["', '","', '"]')
    if rows and kinds <= {list, tuple} and set(map(len, rows)) == {2}:
        texts = list(map(itemgetter(0), rows))
        if set(map(type, texts)) == {str} and set(map(type, map(itemgetter(1), rows))) == {type(None)}:
            return _joined(texts, '[["', '",null],["', '",null]]')
    return ""


def _joined(texts: Sequence[str], start: str, between: str, end: str) -> str:
    joined = between.join(texts)
    characters = np.frombuffer(joined.encode("utf-8", "surrogatepass"), np.uint8)
    is_plain = (
        joined.count('"') == between.count('"') * (len(texts) - 1)
        and "\\" not in joined
        and characters.min(initial=0x20) >= 0x20
    )
    return f"{start}{joined}{end}" if is_plain else ""
