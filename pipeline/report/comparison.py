"""How far methods are from the image baseline, over the same pairs of train and test dataset."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from pipeline.report.groups import Cell, Group, spread
from pipeline.report.kinds import NO_TRAINING

__all__ = ["BASELINE", "baseline_of", "gain", "is_complete"]

BASELINE = "baseline"


def baseline_of(groups: Sequence[Group], encoder: str) -> Group | None:
    """The scored image baseline on the pixels beside an encoder's features; None without one."""
    found = (group for group in groups if (group.encoder, group.method) == (encoder, BASELINE) and group.cells)
    return next(found, None)


def gain(group: Group, baseline: Group, metric: str) -> float | None:
    """Mean of score minus baseline's score on unseen datasets, over the pairs that both were scored on.

    Returns
    -------
    fraction in [-1, 1]; None if there is no such pair. Means over different pairs would differ by how hard their
    datasets are.

    Notes
    -----
    Where nothing is trained, every pair has the score of its test dataset.
    """
    pairs = [(cell, _same_pair(group, cell)) for cell in baseline.unseen()]
    gains = [_mean(other, metric) - _mean(ours, metric) for ours, other in pairs if other]
    return fmean(gains) if gains else None


def is_complete(group: Group, baseline: Group) -> bool:
    """Whether the method was scored on every unseen pair that the baseline was."""
    return all(_same_pair(group, cell) for cell in baseline.unseen())


def _same_pair(group: Group, cell: Cell) -> Cell | None:
    return group.cells.get((cell.train, cell.test)) or group.cells.get((NO_TRAINING, cell.test))


def _mean(cell: Cell, metric: str) -> float:
    return spread([cell], metric).mean
