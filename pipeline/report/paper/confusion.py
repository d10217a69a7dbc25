"""Confusion matrices: rows are true expressions, in percent of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.cells import Cell
from pipeline.report.groups import Group
from pipeline.report.paper.captions import (
    encoder_sentence,
    legends,
    seeds_sentence,
    stand_in_sentence,
    test_sentence,
)
from pipeline.report.paper.latex import file_stem
from pipeline.report.paper.style import COLUMN_IN, FigureFacts, PaperFigure, drawn

__all__ = ["confusion_figures"]

_DARK = 0.55  # of the scale: on darker cells text is white


def confusion_figures(groups: Sequence[Group]) -> Iterator[PaperFigure]:
    """A figure per method, train and test dataset: the counts of all seeds together."""
    for group in groups:
        for cell in group.cells.values():
            yield _figure(group, cell)


def _figure(group: Group, cell: Cell) -> PaperFigure:
    name = file_stem("confusion", group.encoder, group.method, cell.train, cell.test)
    counts = np.array(cell.confusion(), np.int64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    sentences = (
        f"Confusion of {group.method}, trained on {cell.train}, tested on {cell.test}: rows are true expressions, in "
        "percent of each; the counts of all seeds together.",
        stand_in_sentence([group]),
        test_sentence([group], [cell]),
        encoder_sentence([group]),
        seeds_sentence([group], [cell]),
    )
    caption = " ".join(filter(None, sentences)) + legends([cell])
    rows = [
        (actual, predicted, int(counts[i, j]), None if np.isnan(shares[i, j]) else round(float(shares[i, j]), 6))
        for i, actual in enumerate(cell.classes)
        for j, predicted in enumerate(cell.classes)
    ]
    data = pd.DataFrame(rows, columns=["actual", "predicted", "count", "share"])
    side = COLUMN_IN * max(1.0, len(cell.classes) / 8)
    facts = FigureFacts(name, caption, bool(group.note))
    return drawn(facts, data, (side, side * 0.92), lambda figure: _draw(figure, shares, cell.classes))


def _draw(figure: Figure, shares: np.ndarray[tuple[int, ...], np.dtype[np.float64]], classes: Sequence[str]) -> None:
    axes, n = figure.add_subplot(), len(classes)
    # A mesh, not a picture: it stays a vector.
    axes.pcolormesh(np.ma.masked_invalid(shares), cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=0.5)
    for i, j in np.argwhere(~np.isnan(shares)):
        color = "white" if shares[i, j] > _DARK else "black"
        axes.text(j + 0.5, i + 0.5, f"{100 * shares[i, j]:.0f}", ha="center", va="center", color=color)
    axes.set_xticks(np.arange(n) + 0.5, classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(n) + 0.5, classes)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_ylim(n, 0)
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set_visible(False)
