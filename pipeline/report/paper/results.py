"""Scores as cells of a LaTeX table, with the best of a block in bold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, get_args

from pipeline.learning.metrics import METRICS
from pipeline.report.cells import Cell, spread
from pipeline.report.formatting import MISSING, percent, with_footnotes
from pipeline.report.paper.latex import LatexCell, Row

__all__ = [
    "UNCERTAINTIES",
    "Result",
    "Uncertainty",
    "best_rank",
    "block_of",
    "mean_bounds",
    "result_of",
    "uncertainty_text",
]

Uncertainty = Literal["seeds", "interval", "none"]
UNCERTAINTIES: tuple[Uncertainty, ...] = get_args(Uncertainty)


@dataclass(frozen=True)
class Result:
    """A number of a table in percent, as text; `rank` is the higher, the better it is, None where there is no score.

    `is_tied`: it was compared with the best of its column, and no difference can be seen.
    """

    text: str
    spread: str = ""
    marks: str = ""
    rank: float | None = None
    is_tied: bool = False

    @property
    def is_missing(self) -> bool:
        """Whether there is no score."""
        return self.rank is None


def result_of(cells: Sequence[Cell], metric: str, uncertainty: Uncertainty = "none") -> Result:
    """The mean over cells and seeds, as the page has it, with what says how far to trust it."""
    if not cells:
        return Result(MISSING)
    measured, n = spread(cells, metric), min(cell.first.n for cell in cells)
    text = percent(measured.mean, n)
    beside = ""
    if uncertainty == "seeds" and measured.sd is not None:
        beside = f"± {percent(measured.sd, n)}"
    elif uncertainty == "interval" and len(cells) == 1 and (bounds := mean_bounds(cells[0], metric)):
        beside = f"[{percent(bounds[0], n)}, {percent(bounds[1], n)}]"
    # By the text: two numbers that look equal are equally good.
    return Result(text, beside, with_footnotes("", cells).strip(), METRICS[metric].rank(float(text)))


def mean_bounds(cell: Cell, metric: str) -> tuple[float, float] | None:
    """The 95 % interval of a score over test images; over several seeds, the means of their lower and upper bounds.

    Returns
    -------
    None for a metric without intervals
    """
    bounds = [interval for score in cell.by_seed.values() if (interval := score.bounds(metric))]
    if not bounds:
        return None
    low, high = (fmean(ends) for ends in zip(*bounds, strict=True))
    return low, high


def block_of(rows: Sequence[tuple[tuple[str, ...], Sequence[Result]]]) -> tuple[Row, ...]:
    """Rows of a table, each its heads and its results: the best of each column is marked, if there are two or more."""
    bests = [best_rank(column) for column in zip(*(results for _, results in rows), strict=True)]
    return tuple(
        (
            *map(LatexCell, heads),
            *(
                LatexCell(result.text, result.spread, result.marks, _is(result, best), result.is_tied)
                for result, best in zip(results, bests, strict=True)
            ),
        )
        for heads, results in rows
    )


def _is(result: Result, best: float | None) -> bool:
    return best is not None and result.rank == best


def best_rank(column: Sequence[Result]) -> float | None:
    """The rank of the best of two or more results; None of fewer."""
    ranks = [result.rank for result in column if result.rank is not None]
    return max(ranks) if len(ranks) > 1 else None


def uncertainty_text(uncertainty: Uncertainty, metric_has_interval: bool = True) -> str:
    """How the uncertainty of a number was estimated, for a caption; empty for none."""
    if uncertainty == "seeds":
        return "mean ± standard deviation over seeds"
    if uncertainty == "interval" and metric_has_interval:
        return "mean over seeds, with the 95 % interval over test images (mean of the bounds of the seeds)"
    return "mean over seeds"
