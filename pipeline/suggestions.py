"""Suggestions for a misspelt name: "Did you mean 'raf-db'?"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["closest", "did_you_mean"]


def closest(name: str, known: Iterable[str], n: int = 1) -> list[str]:
    """At most `n` of the known names that are spelt like `name`, the most similar first; empty if none is."""
    return difflib.get_close_matches(name, list(known), n=n)


def did_you_mean(name: str, known: Iterable[str], otherwise: str | None = None, n: int = 1) -> str:
    """A sentence that names what was probably meant.

    Parameters
    ----------
    name : what was written
    known : names that are right, in the order in which they are listed
    otherwise : the sentence if no known name is similar; by default one with all known names
    n : how many names are suggested at most

    Returns
    -------
    "Did you mean 'raf-db'?", or "Known: raf-db, ferplus"; empty if no name is known.
    """
    known = list(known)
    if names := closest(name, known, n):
        return f"Did you mean {' or '.join(map(repr, names))}?"
    if otherwise is not None:
        return otherwise
    return f"Known: {', '.join(known)}" if known else ""
