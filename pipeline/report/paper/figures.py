"""All figures of a paper, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from pipeline.progress import OnProgress, Progress, silent
from pipeline.report.groups import Group
from pipeline.report.paper.confusion import confusion_figures
from pipeline.report.paper.projection import ReadFeatures, feature_figures
from pipeline.report.paper.ranking import ranking_figures
from pipeline.report.paper.reliability import reliability_figures
from pipeline.report.paper.sensitivity import sensitivity_figures
from pipeline.report.paper.style import PaperFigure, with_own_names

__all__ = ["FIGURES", "OF_SINGLE_HEADS", "grid_variants", "paper_figures", "without_grid_variants"]


FIGURES: Mapping[str, Callable[[Sequence[Group], ReadFeatures], Iterator[PaperFigure]]] = {
    "ranking": lambda groups, _: ranking_figures(groups),
    "sensitivity": lambda groups, _: sensitivity_figures(groups),
    "confusion": lambda groups, _: confusion_figures(groups),
    "reliability": lambda groups, _: reliability_figures(groups),
    "features": feature_figures,
}


OF_SINGLE_HEADS = frozenset({"confusion", "reliability", "features"})
"""Figures of which there is one for every method, train and test dataset."""


def paper_figures(
    groups: Sequence[Group], names: Iterable[str], read: ReadFeatures, on_progress: OnProgress = silent
) -> list[PaperFigure]:
    """The figures of the kinds in `names`, keys of `FIGURES`, each with a name of its own.

    Parameters
    ----------
    read : the features of a run's scores
    on_progress : called after each figure; how many there will be is not known before
    """
    single = without_grid_variants(groups)
    figures = (
        figure for name in names for figure in FIGURES[name](single if name in OF_SINGLE_HEADS else groups, read)
    )
    return with_own_names(_counted(figures, on_progress))


def _counted(figures: Iterable[PaperFigure], on_progress: OnProgress) -> Iterator[PaperFigure]:
    for done, figure in enumerate(figures, 1):
        on_progress(Progress("figures", done, 0, figure.name))
        yield figure


def without_grid_variants(groups: Sequence[Group]) -> list[Group]:
    """Those that figures of single heads are drawn of: a grid of 30 points would give hundreds."""
    variants = {id(group) for group in grid_variants(groups)}
    return [group for group in groups if id(group) not in variants]


def grid_variants(groups: Sequence[Group]) -> list[Group]:
    """The points of grids over methods that also have runs outside of a grid, on the same encoder."""
    plain = {(group.encoder, group.runs[0].record.method) for group in groups if not group.runs[0].record.settings}
    return [
        group
        for group in groups
        if group.runs[0].record.settings and (group.encoder, group.runs[0].record.method) in plain
    ]
