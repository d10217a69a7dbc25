"""Recall of each expression, with the scores of all: the methods on one pair of train and test dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.learning.metrics import METRICS
from pipeline.report.cells import Cell
from pipeline.report.formatting import MISSING, percent
from pipeline.report.groups import Group, dataset_columns, ordered_classes
from pipeline.report.paper.latex import LatexTable, file_stem
from pipeline.report.paper.results import Result, Uncertainty, block_of, result_of, uncertainty_text
from pipeline.report.paper.train_test import by_encoder, caption_of, cell_of, trains_of

__all__ = ["recall_tables"]


def recall_tables(groups: Sequence[Group], uncertainty: Uncertainty) -> Iterator[LatexTable]:
    """A table per encoder, train and test dataset: rows are methods, columns expressions and the scores of all."""
    for encoder, members in by_encoder(groups).items():
        for train in trains_of(members):
            for test in dataset_columns(members):
                scored = [(group, cell) for group in members if (cell := cell_of(group, train, test))]
                if scored:
                    yield _table(file_stem("recall", encoder, train, test), train, test, scored, uncertainty)


def _table(
    name: str, train: str, test: str, scored: Sequence[tuple[Group, Cell]], uncertainty: Uncertainty
) -> LatexTable:
    groups, cells = [group for group, _ in scored], [cell for _, cell in scored]
    classes = ordered_classes(run for group in groups for run in group.runs)
    support = ", ".join(f"{each} {cells[0].first.support.get(each, 0):,}" for each in classes)
    what = f"Recall (%) of each expression on {test}, trained on {train}, and scores: {uncertainty_text('none')}"
    if uncertainty != "none":
        what += f"; of scores the {uncertainty_text(uncertainty)}"
    signs = f"Per expression: {support}. Bold: the best of a column."
    rows = [
        (
            (group.method,),
            [
                *(_recall(cell, each) for each in classes),
                *(result_of([cell], metric, uncertainty) for metric in METRICS),
            ],
        )
        for group, cell in scored
    ]
    columns = ("Method", *classes, *(metric.title for metric in METRICS.values()))
    return LatexTable(name, caption_of(what, groups, cells, signs), columns, 1, (block_of(rows),))


def _recall(cell: Cell, name: str) -> Result:
    if (recall := cell.recall(name)) is None:
        return Result(MISSING)
    text = percent(recall, cell.first.support[name])
    return Result(text, rank=float(text))
