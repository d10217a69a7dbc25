"""Where this user's own files are that any command can make again."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["user_folder"]


def user_folder() -> Path:
    """`fer-stage` in the user's cache folder: `XDG_CACHE_HOME`, or `~/.cache`.

    Raises
    ------
    RuntimeError
        If the user has no home.
    """
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "fer-stage"
