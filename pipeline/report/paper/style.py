"""Size, colours and file formats of the figures of a paper: vectors, in the width of a column, for every eye."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import ceil
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.style
import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.paper.latex import free_name

__all__ = [
    "COLORS",
    "COLUMN_IN",
    "LINES",
    "PAGE_IN",
    "FigureFacts",
    "PaperFigure",
    "color_of",
    "drawn",
    "grid_shape",
    "marker_of",
    "with_own_names",
    "wrapped",
]

COLUMN_IN, PAGE_IN = 3.3, 6.9  # inches: one column, and both with the gap between them
# Okabe and Ito's palette, the colours first that are clear on white.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")  # so that no meaning is in a colour alone
LINES = ("-", "--", ":", "-.")
_SETTINGS = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same everywhere
    "font.size": 7.0,
    "axes.titlesize": 7.0,
    "axes.labelsize": 7.0,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "lines.markersize": 4.0,
    "text.parse_math": False,  # a name may have dollars
    "pdf.fonttype": 42,  # TrueType: publishers refuse type 3
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "fer-stage",  # equal data, equal bytes
}


class FigureFacts(NamedTuple):
    """The name of a figure's files, its caption, and whether any of its numbers is of a stand-in encoder."""

    name: str
    caption: str
    stand_in: bool


@dataclass(frozen=True)
class PaperFigure:
    """A figure in two vector formats, with the numbers that it shows.

    Parameters
    ----------
    name : of its files without the ending
    caption : plain sentences
    data : one row per mark, for a CSV file
    pdf, svg : the files
    is_wide : whether it takes both columns
    """

    name: str
    caption: str
    data: pd.DataFrame
    pdf: bytes
    svg: bytes
    is_wide: bool = False


def drawn(
    facts: FigureFacts, data: pd.DataFrame, size: tuple[float, float], draw: Callable[[Figure], None]
) -> PaperFigure:
    """The figure that `draw` makes, whatever the user's own settings of matplotlib are.

    Parameters
    ----------
    size : width and height in inches; no wider than PAGE_IN
    draw : puts axes with everything that they show into an empty figure
    """
    with mpl.style.context(_SETTINGS, after_reset=True):
        figure = Figure(figsize=size, layout="constrained")
        if facts.stand_in:  # in the figure itself, which is passed on without its caption
            figure.suptitle("stand-in encoder", x=0.99, ha="right", size=5.5, color="#666666")
        draw(figure)
        pdf = _saved(figure, "pdf", {"CreationDate": None})
        svg = _saved(figure, "svg", {"Date": None})
    return PaperFigure(facts.name, facts.caption, data, pdf, svg, size[0] > COLUMN_IN)


def with_own_names(figures: Iterable[PaperFigure]) -> list[PaperFigure]:
    """`a-b` and `a_b` are one name of a file: the second gets a number."""
    named: dict[str, PaperFigure] = {}
    for figure in figures:
        name = free_name(figure.name, named)
        named[name] = replace(figure, name=name)
    return list(named.values())


def color_of(position: int) -> str:
    """The colour of the i-th series; from the ninth on they repeat, with other markers."""
    return COLORS[position % len(COLORS)]


def marker_of(position: int) -> str:
    """The marker of the i-th series: of 64 series no two have the same colour and marker."""
    return MARKERS[(position + position // len(COLORS)) % len(MARKERS)]


def grid_shape(n: int, most_columns: int) -> tuple[int, int]:
    """Rows and columns of n panels."""
    columns = min(n, most_columns)
    return ceil(n / columns), columns


def wrapped(text: str, width: int = 24) -> str:
    """A name in lines of at most `width` letters, as far as it has places to break: after spaces, commas and dashes."""
    lines = [""]
    for part in _parts(text):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _parts(text: str) -> list[str]:
    parts = [""]
    for letter in text:
        parts[-1] += letter
        if letter in " ,-":
            parts.append("")
    return parts


def _saved(figure: Figure, form: str, metadata: dict[str, None]) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format=form, metadata=metadata)
    return out.getvalue()
