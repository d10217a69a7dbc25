"""Progress of a long call, reported to a callback of its caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

__all__ = ["CombinedProgress", "OnProgress", "Progress", "silent"]


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of `what` are finished; `total` 0 means not known yet. `note` is free text."""

    what: str
    done: int
    total: int
    note: str = ""


OnProgress = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """The default callback: it does nothing."""


class CombinedProgress:
    """The sum of the progress of `n` equal parts. Not for several threads at once.

    Parameters
    ----------
    n : > 0
    on_progress : called with the sum
    """

    def __init__(self, n: int, on_progress: OnProgress) -> None:
        self.done, self.on_progress = [0] * n, on_progress

    def of(self, i: int) -> OnProgress:
        """The callback of part `i`."""

        def report(progress: Progress) -> None:
            self.done[i] = progress.done
            self.on_progress(replace(progress, done=sum(self.done), total=progress.total * len(self.done)))

        return report
