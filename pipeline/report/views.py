"""The data of the template: tables, sections and the colours of cells."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

__all__ = ["TEXT_COLOR", "CountsView", "MatrixCell", "MatrixView", "Section", "TableView", "background"]

# ColorBrewer's YlGnBu without its two darkest steps: ordered by lightness, so it reads without colour vision, and light
# enough throughout for one dark text color (a contrast of 4.5 or more, as WCAG 2 asks for).
_STOPS = ("#ffffd9", "#edf8b1", "#c7e9b4", "#7fcdbb", "#41b6c4", "#1d91c0")
TEXT_COLOR = "#000000"


@dataclass(frozen=True)
class TableView:
    """One table of the page.

    The first `n_headers` cells of a row name it. Cells are numbers to be aligned right, or prose if `prose`. `best` are
    the cells with the best number of their column, (row, column) from 0.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_headers: int = 1
    prose: bool = False
    best: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class CountsView:
    """Confusion counts of a method in one table: of each pair of train and test dataset a row per true class."""

    caption: str
    classes: tuple[str, ...]
    pairs: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]


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
class Section:
    """One more section of the page: a title, a sentence or two on how to read it, and tables.

    `anchor` is its id, unique on the page, and in the list of contents.
    """

    anchor: str
    title: str
    intro: str
    tables: tuple[TableView, ...]


def background(fraction: float) -> str:
    """The colour of a score in [0, 1], as #rrggbb."""
    position = min(max(fraction, 0.0), 1.0) * (len(_STOPS) - 1)
    i = min(int(position), len(_STOPS) - 2)
    low, high = [_channels(stop) for stop in list(pairwise(_STOPS))[i]]
    mixed = (round(a + (position - i) * (b - a)) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _channels(color: str) -> tuple[int, ...]:
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
