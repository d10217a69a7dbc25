"""Names of datasets, encoders and prompt sets where they become parts of paths."""

from __future__ import annotations

import re

from cache.errors import QueryError

__all__ = ["is_path_part", "path_part"]

# Stores of earlier versions have names that params.yaml no longer takes: only what leads elsewhere is refused.
_PATH_PART = re.compile(r"(?!\.{1,2}\Z)[^/\\\x00-\x1f\x7f]{1,200}")


def is_path_part(name: str) -> bool:
    """Whether `name` can be one folder or file: 1 to 200 characters, no `/`, not `.` or `..`, nothing unprintable."""
    return _PATH_PART.fullmatch(name) is not None


def path_part(kind: str, name: str) -> str:
    """`name` itself, where it becomes one folder or file below a root.

    Parameters
    ----------
    kind : what it names, for the message: `dataset`

    Raises
    ------
    QueryError
        If it is empty, `.`, `..`, a path, longer than 200 characters, or holds control characters.
    """
    if not is_path_part(name):
        raise QueryError(
            f"expected the plain name of a{'n' if kind[0] in 'aeiou' else ''} {kind}, found {name!r:.100}: a path, or "
            "what no file can be named. Give the name alone"
        )
    return name
