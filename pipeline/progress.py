"""What a long call tells its caller while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["OnProgress", "Progress", "silent"]


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of `what` are finished; `total` 0 means not known yet. `note` is free text."""

    what: str
    done: int
    total: int
    note: str = ""


OnProgress = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """The default listener: hears everything, says nothing."""
