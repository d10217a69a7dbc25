"""The data of the template: tables, figures and the colours of cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

__all__ = ["COLORSCALE", "TEXT_COLOR", "Figure", "MatrixCell", "MatrixView", "TableView", "Variant", "background"]

# ColorBrewer's YlGnBu without its two darkest steps: ordered by lightness, so it reads without colour vision, and light
# enough throughout for one dark text color (a contrast of 4.5 or more, as WCAG 2 asks for).
_STOPS = ("#ffffd9", "#edf8b1", "#c7e9b4", "#7fcdbb", "#41b6c4", "#1d91c0")
TEXT_COLOR = "#000000"
COLORSCALE = [[i / (len(_STOPS) - 1), color] for i, color in enumerate(_STOPS)]  # as plotly has it


@dataclass(frozen=True)
class TableView:
    """One table of the page.

    The first `n_headers` cells of a row name it. Cells are numbers to be aligned right, or prose if `prose`. `note` is
    a warning about all numbers of the table; `warned` are the rows, counted from 0, that need one of their own.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_headers: int = 1
    prose: bool = False
    note: str = ""
    warned: frozenset[int] = frozenset()


@dataclass(frozen=True)
class MatrixCell:
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
    `references` is the mean over unseen datasets. `references` are the scores of guessing.
    """

    caption: str
    metric: str
    means: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[MatrixCell, ...]], ...]
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
    """A plotly figure with variants to select from.

    `id` names it in the page's data; one figure can occur several times, with different variants selected. `choice` is
    the label of the selector, `title` the text for screen readers.
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


def background(fraction: float) -> str:
    """The colour of a score in [0, 1], as #rrggbb."""
    position = min(max(fraction, 0.0), 1.0) * (len(_STOPS) - 1)
    i = min(int(position), len(_STOPS) - 2)
    low, high = [_channels(stop) for stop in list(pairwise(_STOPS))[i]]
    mixed = (round(a + (position - i) * (b - a)) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _channels(color: str) -> tuple[int, ...]:
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
