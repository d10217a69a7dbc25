"""What a long call tells its caller while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

__all__ = ["Combined", "OnProgress", "Progress", "silent"]


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


class Combined:
    """The progress of `n` equal pieces of work as that of one. Not for several threads at once.

    Parameters
    ----------
    n : > 0
    on_progress : hears the sum
    """

    def __init__(self, n: int, on_progress: OnProgress) -> None:
        self.done, self.on_progress = [0] * n, on_progress

    def of(self, i: int) -> OnProgress:
        """What piece `i` must call."""

        def heard(progress: Progress) -> None:
            self.done[i] = progress.done
            self.on_progress(replace(progress, done=sum(self.done), total=progress.total * len(self.done)))

        return heard
