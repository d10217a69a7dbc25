"""What the template draws: tables and figures with their words, all of it plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Figure", "HeatCell", "MatrixView", "TableView", "Variant"]


@dataclass(frozen=True)
class TableView:
    """One table of the page.

    The first `n_headers` cells of a row name it. `marked` lists (row, column) positions set off in the page, counted
    from 0 in `rows`: datasets seen in training. Cells are numbers to be aligned right, or prose if `prose`. `note` is a
    warning that must stand wherever the numbers do; `warned` are the rows that need one of their own.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_headers: int = 1
    marked: frozenset[tuple[int, int]] = frozenset()
    prose: bool = False
    note: str = ""
    warned: frozenset[int] = frozenset()


@dataclass(frozen=True)
class HeatCell:
    """One cell of a matrix: `background` is #rrggbb, empty without a score; `about` is its tooltip."""

    text: str
    deviation: str
    background: str
    is_seen: bool
    about: str


@dataclass(frozen=True)
class MatrixView:
    """Train x test scores of one method by one metric, as a table of coloured cells.

    `metric` is what the page's switch chooses by. `means` is one line under the caption. The last column of `rows` and
    `references` is the mean over unseen datasets. `references` are what guessing scores.
    """

    caption: str
    metric: str
    means: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]
    references: tuple[tuple[str, tuple[str, ...]], ...]
    is_stand_in: bool


@dataclass(frozen=True)
class Variant:
    """One choice of a figure's selector. `data` and `layout` go over the figure's own, trace by trace."""

    name: str
    data: list[dict[str, Any]]
    layout: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A plotly figure with interchangeable contents.

    `id` names it in the page's data; several places may show one figure with other contents chosen. `choice` says what
    the selector chooses, `title` what a person who cannot see the figure should know.
    """

    id: str
    title: str
    choice: str
    data: list[dict[str, Any]]
    layout: Mapping[str, Any]
    variants: tuple[Variant, ...]

    def as_json(self) -> dict[str, Any]:
        """What the page's script draws from."""
        variants = [{"data": variant.data, "layout": variant.layout} for variant in self.variants]
        return {"data": self.data, "layout": self.layout, "variants": variants}
