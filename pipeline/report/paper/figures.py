"""All figures of a paper, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.report.groups import Group
from pipeline.report.paper.confusion import confusion_figures
from pipeline.report.paper.projection import ReadFeatures, feature_figures
from pipeline.report.paper.ranking import ranking_figures
from pipeline.report.paper.reliability import ReadConfidences, reliability_figures
from pipeline.report.paper.sensitivity import sensitivity_figures
from pipeline.report.paper.style import PaperFigure, with_own_names

__all__ = ["FIGURES", "OF_SINGLE_HEADS", "Sources", "grid_variants", "paper_figures"]


@dataclass(frozen=True)
class Sources:
    """What figures need that no record has: predictions of single units, and features.

    Parameters
    ----------
    confidences : of a run and one of its scores
    features : of a run, one of its scores, and how many units at most
    """

    confidences: ReadConfidences
    features: ReadFeatures


FIGURES: Mapping[str, Callable[[Sequence[Group], Sources], Iterator[PaperFigure]]] = {
    "ranking": lambda groups, _: ranking_figures(groups),
    "sensitivity": lambda groups, _: sensitivity_figures(groups),
    "confusion": lambda groups, _: confusion_figures(groups),
    "reliability": lambda groups, sources: reliability_figures(groups, sources.confidences),
    "features": lambda groups, sources: feature_figures(groups, sources.features),
}


OF_SINGLE_HEADS = frozenset({"confusion", "reliability", "features"})
"""Figures of which there is one for every method, train and test dataset."""


def paper_figures(groups: Sequence[Group], names: Iterable[str], sources: Sources) -> list[PaperFigure]:
    """The figures of the kinds in `names`, keys of `FIGURES`, each with a name of its own.

    Figures of single heads are not drawn of `grid_variants`: a grid of 30 points would give hundreds.
    """
    variants = {id(group) for group in grid_variants(groups)}
    single = [group for group in groups if id(group) not in variants]
    return with_own_names(
        figure for name in names for figure in FIGURES[name](single if name in OF_SINGLE_HEADS else groups, sources)
    )


def grid_variants(groups: Sequence[Group]) -> list[Group]:
    """The points of grids over methods that also have runs outside of a grid, on the same encoder."""
    plain = {(group.encoder, group.runs[0].record.method) for group in groups if not group.runs[0].record.settings}
    return [
        group
        for group in groups
        if group.runs[0].record.settings and (group.encoder, group.runs[0].record.method) in plain
    ]
