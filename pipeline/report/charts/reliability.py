"""Reliability diagrams: of each bin of confidence, how many predictions are right, with what chance alone explains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline.report.cells import Cell
from pipeline.report.comparison import one_per_dataset
from pipeline.report.folds import ScoreOfFolds
from pipeline.report.formatting import MISSING, percent
from pipeline.report.groups import Group
from pipeline.report.reliability import Reliability
from pipeline.report.runs import ReportScore
from pipeline.report.views import TableView

__all__ = ["Bin", "ReliabilityPanel", "reliability_panels", "reliability_table"]

_LEAST_RADIUS, _RADIUS = 1.5, 6.0  # pixels: the area of a dot is the share of its bin


@dataclass(frozen=True)
class Bin:
    """A dot: confidence from the left and accuracy from the top in percent, radius in pixels; `about` in words."""

    x: float
    y: float
    radius: float
    about: str


@dataclass(frozen=True)
class ReliabilityPanel:
    """One method, within or on unseen datasets. `floor`, in percent, is what a perfectly calibrated head would have."""

    title: str
    about: str
    bins: tuple[Bin, ...]
    ece: str
    floor: float | None
    floor_text: str
    n: str


def reliability_panels(group: Group) -> list[ReliabilityPanel]:
    """One panel for scores within the train dataset, one for unseen ones, of those whose predictions are here."""
    panels = []
    for where, cells in (("within", group.within()), ("unseen", group.unseen())):
        scores = [score for score in _scores(one_per_dataset(cells)) if score.reliability]
        if scores:
            panels.append(_panel(group, where, scores))
    return panels


def reliability_table(groups: Sequence[Group]) -> TableView:
    """Mean calibration error and its floor of every method, from its scores, whether predictions are here or not."""
    rows = [
        (group.method, group.source, where, *_errors([*_scores(one_per_dataset(cells))]))
        for group in groups
        for where, cells in (("within", group.within()), ("unseen", group.unseen()))
        if cells
    ]
    return TableView(
        "Mean expected calibration error (ECE) over scores, in percent",
        ("Method", "Encoder", "Test sets", "Scores", "N of a score", "ECE", "Perfect head", "Uncalibrated"),
        tuple(rows),
        n_headers=3,
    )


def _scores(cells: Sequence[Cell]) -> Iterator[ReportScore]:
    """The single scores of cells: of all seeds, and of folds each one."""
    for cell in cells:
        for score in cell.by_seed.values():
            yield from score.by_fold.values() if isinstance(score, ScoreOfFolds) else (score,)


def _errors(scores: Sequence[ReportScore]) -> tuple[str, ...]:
    floor = _floor(scores)
    means = (fmean(score.ece for score in scores), floor, fmean(score.ece_uncalibrated for score in scores))
    return (str(len(scores)), _n_text(scores), *map(percent, means))


def _panel(group: Group, where: str, scores: Sequence[ReportScore]) -> ReliabilityPanel:
    floor, ece = _floor(scores), percent(fmean(score.ece for score in scores))
    title = f"{group.method} · {group.source}, {where}"
    dots = tuple(_bins(Reliability.together(score.reliability for score in scores if score.reliability)))
    return ReliabilityPanel(
        title,
        f"Accuracy by confidence of {title}: mean ECE {ece} %, of a perfectly calibrated head {percent(floor)} %",
        dots,
        ece,
        None if floor is None else 100 * floor,
        percent(floor),
        f"{len(scores)} score{'s' if len(scores) > 1 else ''}, N {_n_text(scores)}",
    )


def _bins(all_: Reliability) -> Iterator[Bin]:
    most = max(all_.counts)
    for n, confidence, right in zip(all_.counts, all_.confidences, all_.right, strict=True):
        if n:
            x, y = 100 * confidence / n, 100 * right / n
            about = f"confidence {x:.1f} %, {y:.1f} % right: {right:,} of {n:,}"
            radius = max(_LEAST_RADIUS, _RADIUS * (n / most) ** 0.5)
            yield Bin(round(x, 1), round(100 - y, 1), round(radius, 1), about)


def _floor(scores: Sequence[ReportScore]) -> float | None:
    floors = [score.ece_expected for score in scores]
    return None if None in floors else fmean(floor for floor in floors if floor is not None)


def _n_text(scores: Sequence[ReportScore]) -> str:
    if not scores:
        return MISSING
    low, high = min(score.n for score in scores), max(score.n for score in scores)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
