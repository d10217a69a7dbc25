"""Reliability diagrams: accuracy by confidence, with what chance allows on so many images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from pipeline.learning.probabilities import N_BINS
from pipeline.learning.statistics import wilson_interval
from pipeline.report.formatting import ece_text
from pipeline.report.groups import Group
from pipeline.report.paper.captions import encoder_sentence, legends, stand_in_sentence, test_sentence
from pipeline.report.paper.latex import file_stem
from pipeline.report.paper.style import COLORS, COLUMN_IN, FigureFacts, PaperFigure, drawn
from pipeline.report.paper.train_test import cell_of
from pipeline.report.reliability import Reliability
from pipeline.report.runs import ReportRun, ReportScore

__all__ = ["reliability_bins", "reliability_figures", "without_reliability"]


class Bin(NamedTuple):
    """The units whose confidence is in (low, high]; fractions. The interval is Wilson's of the accuracy."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float


def reliability_figures(groups: Sequence[Group]) -> Iterator[PaperFigure]:
    """A figure per method, train and test dataset whose predictions are here, of the run with the lowest seed."""
    for group, run, score in _drawn_scores(groups):
        if score.reliability:
            yield _figure(group, run, score, reliability_bins(score.reliability))


def without_reliability(groups: Sequence[Group]) -> list[str]:
    """The scores that have no figure, as their predictions are not here: `METHOD of TRAIN on TEST`."""
    return [
        f"{group.method} of {run.trained_as} on {score.test}"
        for group, run, score in _drawn_scores(groups)
        if not score.reliability
    ]


def _drawn_scores(groups: Sequence[Group]) -> Iterator[tuple[Group, ReportRun, ReportScore]]:
    for group in groups:
        for run in group.first_of_each_train():
            yield from ((group, run, score) for score in run.scores)


def reliability_bins(reliability: Reliability) -> list[Bin]:
    """The bins with any unit, of equal width: those of the expected calibration error."""
    columns, n_bins = (reliability.counts, reliability.confidences, reliability.right), len(reliability.counts)
    return [
        Bin(i / n_bins, (i + 1) / n_bins, n, confidence / n, right / n, *wilson_interval(right, n))
        for i, (n, confidence, right) in enumerate(zip(*columns, strict=True))
        if n
    ]


def _figure(group: Group, run: ReportRun, score: ReportScore, bins: Sequence[Bin]) -> PaperFigure:
    train = run.trained_as if run.is_trained else "no dataset"
    cells = [cell] if (cell := cell_of(group, run.trained_on, score.test)) else []
    sentences = (
        f"Reliability of {group.method}, trained on {train}, tested on {score.test}, seed {run.seed}: accuracy of the "
        f"{score.unit}s of each of {N_BINS} bins of confidence, with Wilson's 95 % interval; below, the share of "
        f"{score.unit}s in each bin. ECE (%): {ece_text(score.ece, score.ece_expected)}.",
        stand_in_sentence([group]),
        test_sentence([group], cells),
        encoder_sentence([group]),
    )
    name = file_stem("reliability", group.encoder, group.method, train, score.test)
    caption = " ".join(filter(None, sentences)) + legends(cells)
    data = pd.DataFrame(bins, columns=Bin._fields)
    facts = FigureFacts(name, caption, bool(group.note))
    return drawn(facts, data, (COLUMN_IN, 3.2), lambda figure: _draw(figure, bins, score))


def _draw(figure: Figure, bins: Sequence[Bin], score: ReportScore) -> None:
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    centres, heights = [100 * each.confidence for each in bins], [100 * each.accuracy for each in bins]
    errors = [
        [100 * (each.accuracy - each.accuracy_low) for each in bins],
        [100 * (each.accuracy_high - each.accuracy) for each in bins],
    ]
    axes.plot([0, 100], [0, 100], "--", color="#888888", linewidth=0.8)
    axes.errorbar(centres, heights, errors, marker="o", linestyle="none", color=COLORS[0], linewidth=0.8)
    axes.text(3, 97, f"ECE {ece_text(score.ece, score.ece_expected)}", va="top")
    axes.set_ylabel("accuracy, %")
    axes.set_ylim(-2, 102)
    total = sum(each.n for each in bins)
    width = 100 / N_BINS
    lefts = [100 * each.low for each in bins]
    below.bar(lefts, [100 * each.n / total for each in bins], width, align="edge", color=COLORS[5], edgecolor="white")
    below.set_ylabel(f"{score.unit}s, %")
    below.set_xlabel("confidence, %")
    below.set_xlim(0, 101)  # a head may be sure
