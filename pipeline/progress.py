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
    """The sum of the progress of `n` parts. Not for several threads at once.

    Parts that have not begun are taken as long as the others are on average: the total changes as soon as they begin.

    Parameters
    ----------
    n : > 0
    on_progress : called with the sum
    """

    def __init__(self, n: int, on_progress: OnProgress) -> None:
        self._done, self._totals, self.on_progress = [0] * n, dict[int, int](), on_progress

    def of(self, i: int) -> OnProgress:
        """The callback of part `i`."""

        def report(progress: Progress) -> None:
            self._done[i], self._totals[i] = progress.done, progress.total
            self.on_progress(replace(progress, done=sum(self._done), total=self._total()))

        return report

    def _total(self) -> int:
        """0, not known, as soon as it is not known of a part."""
        known = self._totals.values()
        return round(sum(known) * len(self._done) / len(known)) if all(known) else 0
