"""The result tables of the page: the same numbers as the figures, for everyone who cannot or would not use those."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report.curves import selected_value, steps_name
from pipeline.report.formatting import ece_text, interval_text, number_text, percent, with_marks
from pipeline.report.groups import Cell, Group
from pipeline.report.markup import TableView
from pipeline.report.records import RunRecord
from pipeline.report.scores import METRIC_NAMES

__all__ = ["confusion_tables", "recall_table", "scores_table", "training_table"]


def scores_table(group: Group) -> TableView:
    """Every single score with its interval, one row per train dataset, test dataset and seed."""
    columns = ("n", "Accuracy", "95 % interval", "UAR", "95 % interval", "ECE", "Uncalibrated", "Rejected", "Dropped")
    return TableView(
        "Every score, in percent",
        ("Trained on", "Tested on", "Split", "Seed", *columns),
        tuple(_score_row(cell, seed) for cell in group.cells.values() for seed in sorted(cell.by_seed)),
        n_headers=4,
    )


def recall_table(group: Group) -> TableView:
    """Recall of every expression, mean over seeds, one row per train and test dataset."""
    return TableView(
        "Recall of each expression in percent, mean over seeds",
        ("Trained on", "Tested on", *group.classes),
        tuple(_recall_row(cell, group.classes) for cell in group.cells.values()),
        n_headers=2,
    )


def confusion_tables(group: Group) -> list[TableView]:
    """The confusion counts of every train and test dataset, summed over seeds."""
    return [_confusion_table(cell) for cell in group.cells.values()]


def training_table(group: Group) -> TableView:
    """What training ended with, one row per run."""
    columns = ("Epochs", "Selected", "Validation accuracy", "Validation UAR", "Train n", "Validation n", "Seconds")
    return TableView(
        "What each training run selected; scores in percent",
        ("Trained on", "Seed", *columns),
        tuple(_training_row(run) for run in group.runs),
        n_headers=2,
    )


def _score_row(cell: Cell, seed: int) -> tuple[str, ...]:
    score = cell.by_seed[seed]
    measured = [
        text
        for metric in METRIC_NAMES
        for text in (percent(score.value(metric), score.n), interval_text(score.ci95[metric], score.n))
    ]
    calibration = (ece_text(score.ece, score.ece_expected), percent(score.ece_uncalibrated))
    left_out = (f"{score.rejected:,}", f"{sum(score.dropped.values()):,}")
    tested_on = with_marks(cell.test, [cell])
    return (cell.train, tested_on, score.split, str(seed), f"{score.n:,}", *measured, *calibration, *left_out)


def _recall_row(cell: Cell, classes: Sequence[str]) -> tuple[str, ...]:
    recalls = [percent(cell.recall(name), cell.first.support.get(name, 0)) for name in classes]
    return (cell.train, with_marks(cell.test, [cell]), *recalls)


def _confusion_table(cell: Cell) -> TableView:
    rows, tested_on = zip(cell.classes, cell.confusion(), strict=True), with_marks(cell.test, [cell])
    return TableView(
        f"Trained on {cell.train}, tested on {tested_on}: images, rows true, columns predicted",
        ("True", *cell.classes),
        tuple((name, *(f"{count:,}" for count in counts)) for name, counts in rows),
    )


def _training_row(run: RunRecord) -> tuple[str, ...]:
    step = selected_value(run) if run.history else None
    is_search = bool(run.history) and steps_name(run) != "epoch"
    selected = f"{steps_name(run)} {number_text(step)}" if is_search and step is not None else str(run.selected_epoch)
    return (
        run.trained_on,
        str(run.seed),
        str(run.epochs),
        selected,
        percent(run.val_accuracy, run.n_val),
        percent(run.val_uar, run.n_val),
        f"{run.n_train:,}",
        f"{run.n_val:,}",
        number_text(run.seconds),
    )
