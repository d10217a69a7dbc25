"""Confusion matrices of a method, all datasets and seeds together: within its train datasets, and on unseen ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.cells import Cell
from pipeline.report.comparison import one_per_dataset
from pipeline.report.formatting import with_footnotes
from pipeline.report.groups import Group

__all__ = ["ConfusionCell", "ConfusionView", "confusions"]


@dataclass(frozen=True)
class ConfusionCell:
    """A share of the true expression, a whole percentage, None without any image; `about` has the counts."""

    percent: int | None
    about: str
    is_right: bool


@dataclass(frozen=True)
class ConfusionView:
    """A confusion matrix: rows are true expressions with their number, columns predicted ones."""

    caption: str
    classes: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[ConfusionCell, ...]], ...]


def confusions(group: Group) -> list[ConfusionView]:
    """The matrices of a group: within, unseen; of pairs that are neither, none."""
    chosen = (("within", one_per_dataset(group.within())), ("on unseen datasets", one_per_dataset(group.unseen())))
    return [_view(group, where, cells) for where, cells in chosen if cells]


def _view(group: Group, where: str, cells: Sequence[Cell]) -> ConfusionView:
    counts = _together(cells)
    classes = tuple(name for name in group.classes if name in {true for true, _ in counts})
    pairs = f"{len(cells)} pair{'s' if len(cells) > 1 else ''} of train and test dataset"
    rows = []
    for true in classes:
        total = sum(counts.get((true, name), 0) for name in classes)
        cells_of_row = (_cell(counts.get((true, name), 0), total, is_right=true == name) for name in classes)
        rows.append((true, f"{total:,}", tuple(cells_of_row)))
    title = with_footnotes(f"{group.method} on {group.source}, {where}", cells)
    return ConfusionView(f"{title}: {pairs}", classes, tuple(rows))


def _together(cells: Sequence[Cell]) -> dict[tuple[str, str], int]:
    """(true, predicted) -> count, over cells and seeds."""
    counts: dict[tuple[str, str], int] = {}
    for cell in cells:
        for true, row in zip(cell.classes, cell.confusion(), strict=True):
            for predicted, count in zip(cell.classes, row, strict=True):
                counts[true, predicted] = counts.get((true, predicted), 0) + count
    return counts


def _cell(count: int, total: int, *, is_right: bool) -> ConfusionCell:
    if not total:
        return ConfusionCell(None, "", is_right)
    return ConfusionCell(round(100 * count / total), f"{count:,} of {total:,}", is_right)
