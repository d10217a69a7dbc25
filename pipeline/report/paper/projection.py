"""t-SNE of the stored features of a test set, and of what a head makes of them, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.learning.tsne import SEED, perplexity_of, tsne
from pipeline.report.groups import Group
from pipeline.report.paper.captions import encoder_sentence, legends, stand_in_sentence
from pipeline.report.paper.latex import file_stem
from pipeline.report.paper.style import COLUMN_IN, FigureFacts, PaperFigure, color_of, drawn, marker_of
from pipeline.report.paper.train_test import cell_of
from pipeline.report.runs import ReportRun, ReportScore

__all__ = ["FeaturePair", "ReadFeatures", "feature_figures", "projected"]

MOST_POINTS = 4000  # more are drawn over each other, and take minutes


class FeaturePair(NamedTuple):
    """Of the usable units of a test set with a label that the head knows.

    Parameters
    ----------
    ids, labels : str, shape (U,)
    stored : float, shape (U, D): what the encoder made
    of_head : float, shape (U, W): what the head made, and classifies
    """

    ids: npt.NDArray[np.str_]
    labels: npt.NDArray[np.str_]
    stored: npt.NDArray[np.floating]
    of_head: npt.NDArray[np.floating]


ReadFeatures = Callable[[ReportRun, ReportScore, int], FeaturePair | None]
"""A run, one of its scores and how many units at most -> features; None where a head has none of its own."""


def feature_figures(groups: Sequence[Group], read: ReadFeatures) -> Iterator[PaperFigure]:
    """A figure per method that makes features of its own, train and test dataset, of the run with the lowest seed."""
    stored: dict[bytes, npt.NDArray[np.float64]] = {}
    for group in groups:
        for run in group.first_of_each_train():
            for score in run.scores:
                if pair := read(run, score, MOST_POINTS):
                    if (key := pair.stored.tobytes()) not in stored:
                        stored[key] = projected(pair.stored)
                    yield _figure(group, run, score, pair, stored[key])


def projected(features: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """t-SNE: float64, shape (U, 2); zeros for fewer than four units."""
    if len(features) < 4:
        return np.zeros((len(features), 2))
    return tsne(features).astype(np.float64)


def _figure(
    group: Group, run: ReportRun, score: ReportScore, pair: FeaturePair, stored: npt.NDArray[np.float64]
) -> PaperFigure:
    of_head = projected(pair.of_head)
    train = run.trained_as if run.is_trained else "no dataset"
    cell = cell_of(group, run.trained_on, score.test)
    data = pd.DataFrame(
        {
            "id": pair.ids,
            "label": pair.labels,
            "stored_x": stored[:, 0].round(4),
            "stored_y": stored[:, 1].round(4),
            "head_x": of_head[:, 0].round(4),
            "head_y": of_head[:, 1].round(4),
        }
    )
    drawn_of = "" if len(data) >= score.n else f" (of {score.n:,}, drawn at random)"
    sentences = (
        f"t-SNE (perplexity {perplexity_of(len(data)):.0f}, PCA start, seed {SEED}) of {len(data):,} {score.unit}s"
        f"{drawn_of} of the {score.split} split of {score.test}: left the features of the encoder, right what "
        f"{group.method}, trained on {train} with seed {run.seed}, makes of its input and classifies. Distances "
        "between groups mean nothing.",
        stand_in_sentence([group]),
        encoder_sentence([group]),
    )
    name = file_stem("features", group.encoder, group.method, train, score.test)
    caption = " ".join(filter(None, sentences)) + legends([cell] if cell else [])
    facts = FigureFacts(name, caption, bool(group.note))
    draw = partial(_draw, labels=pair.labels, classes=run.classes, points={"encoder": stored, "head": of_head})
    return drawn(facts, data, (COLUMN_IN, 2.2), draw)


def _draw(
    figure: Figure,
    labels: npt.NDArray[np.str_],
    classes: Sequence[str],
    points: Mapping[str, npt.NDArray[np.float64]],
) -> None:
    left, right = figure.subplots(1, 2)
    for axes, (title, of_units) in zip((left, right), points.items(), strict=True):
        _scatter(axes, of_units, labels, classes, title)
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, handletextpad=0.1, columnspacing=0.8)


def _scatter(
    axes: Axes, points: npt.NDArray[np.float64], labels: npt.NDArray[np.str_], classes: Sequence[str], title: str
) -> None:
    size = 8.0 if len(points) < 500 else 3.0
    for i, name in enumerate(classes):  # of the head: an expression looks the same on every test set
        of_class = points[labels == name]
        if not len(of_class):
            continue
        color, marker = color_of(i), marker_of(i)
        axes.scatter(of_class[:, 0], of_class[:, 1], s=size, color=color, marker=marker, linewidths=0, label=name)
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
