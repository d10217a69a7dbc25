"""How far methods are from the image baseline, over the same pairs of train and test dataset."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report.comparable import Comparable
from pipeline.report.groups import Cell, Group, spread

__all__ = ["BASELINE", "baseline_of", "gain"]

BASELINE = "baseline"


def baseline_of(groups: Sequence[Group], encoder: str) -> Group | None:
    """The scored image baseline on the pixels beside an encoder's features; None without one, or with several.

    Baselines with different settings are several: none of them is the one to compare with.
    """
    found = [group for group in groups if (group.encoder, group.base) == (encoder, BASELINE) and group.cells]
    return found[0] if len(found) == 1 else None


def gain(group: Group, baseline: Group, metric: str, among: Comparable) -> float | None:
    """Mean of score minus baseline's score on unseen datasets, over the pairs that all groups of `among` have.

    Returns
    -------
    fraction in [-1, 1]; None if there is no such pair, or one of both has none.
    """
    ours, other = among.unseen(baseline), among.unseen(group)
    return _mean(other, metric) - _mean(ours, metric) if ours and other else None


def _mean(cells: Sequence[Cell], metric: str) -> float:
    return spread(cells, metric).mean
