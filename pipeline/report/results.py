"""The result tables of the page: the same numbers as the figures, for everyone who cannot or would not use those."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report.curves import selected_value, steps_name
from pipeline.report.figures import METRIC_NAMES, UNSEEN
from pipeline.report.formatting import MISSING, interval_text, number_text, percent, spread_text
from pipeline.report.groups import Cell, Group
from pipeline.report.markup import TableView
from pipeline.report.records import RunRecord

__all__ = ["confusion_tables", "matrix_table", "recall_table", "scores_table", "summary_table", "training_table"]


def summary_table(groups: Sequence[Group]) -> TableView:
    """One row per method and encoder: mean scores within the train dataset and on unseen ones, in percent."""
    columns = [f"{name}, {where}" for where in ("within", "unseen") for name in METRIC_NAMES.values()]
    return TableView(
        "Mean scores in percent, ± standard deviation over seeds",
        ("Method", "Encoder", "Trained on", "Seeds", *columns, "Unseen pairs"),
        tuple(_summary_row(group) for group in groups),
        n_headers=2,
        warned=frozenset(i for i, group in enumerate(groups) if group.note),
    )


def matrix_table(group: Group, tests: Sequence[str], metric: str) -> TableView:
    """Train x test scores in percent with the mean over unseen datasets; seen datasets are marked."""
    rows = tuple(_matrix_row(group, train, tests, metric) for train in group.trains)
    places = [(i, test) for i, train in enumerate(group.trains) for test in tests if _is_seen(group, train, test)]
    return TableView(
        f"{METRIC_NAMES[metric]} in percent: rows trained on, columns tested on",
        ("Trained on", *tests, UNSEEN),
        rows,
        marked=frozenset((i, 1 + list(tests).index(test)) for i, test in places),
    )


def scores_table(group: Group) -> TableView:
    """Every single score with its interval, one row per train dataset, test dataset and seed."""
    columns = ("n", "Accuracy", "95 % interval", "UAR", "95 % interval", "ECE", "Rejected", "Dropped")
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


def _summary_row(group: Group) -> tuple[str, ...]:
    within, unseen = group.within(), group.unseen()
    encoder = f"{group.encoder} (stand-in)" if group.note else group.encoder
    seeds = sorted({run.seed for run in group.runs})
    scores = [spread_text(cells, metric) for cells in (within, unseen) for metric in METRIC_NAMES]
    return (group.method, encoder, _datasets(group.trains), str(len(seeds)), *scores, str(len(unseen)))


def _datasets(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} datasets"


def _matrix_row(group: Group, train: str, tests: Sequence[str], metric: str) -> tuple[str, ...]:
    cells = [group.cells.get((train, test)) for test in tests]
    texts = [MISSING if cell is None else spread_text([cell], metric) for cell in cells]
    return (train, *texts, spread_text(group.unseen(train), metric))


def _is_seen(group: Group, train: str, test: str) -> bool:
    cell = group.cells.get((train, test))
    return cell is not None and cell.first.seen


def _score_row(cell: Cell, seed: int) -> tuple[str, ...]:
    score = cell.by_seed[seed]
    measured = [
        text
        for metric in METRIC_NAMES
        for text in (percent(score.value(metric), score.n), interval_text(score.ci95[metric], score.n))
    ]
    dropped = sum(score.dropped.values())
    left_out = (f"{score.rejected:,}", f"{dropped:,}")
    return (cell.train, cell.test, score.split, str(seed), f"{score.n:,}", *measured, percent(score.ece), *left_out)


def _recall_row(cell: Cell, classes: Sequence[str]) -> tuple[str, ...]:
    recalls = [percent(cell.recall(name), cell.first.support.get(name, 0)) for name in classes]
    return (cell.train, cell.test, *recalls)


def _confusion_table(cell: Cell) -> TableView:
    rows = zip(cell.classes, cell.confusion(), strict=True)
    return TableView(
        f"Trained on {cell.train}, tested on {cell.test}: images, rows true, columns predicted",
        ("True", *cell.classes),
        tuple((name, *(f"{count:,}" for count in counts)) for name, counts in rows),
    )


def _training_row(run: RunRecord) -> tuple[str, ...]:
    step = selected_value(run) if run.history else None
    is_search = bool(run.history) and steps_name(run) != "epoch"
    selected = f"{steps_name(run)} {number_text(step)}" if is_search and step is not None else str(run.selected_epoch)
    return (
        run.dataset,
        str(run.seed),
        str(run.epochs),
        selected,
        percent(run.val_accuracy, run.n_val),
        percent(run.val_uar, run.n_val),
        f"{run.n_train:,}",
        f"{run.n_val:,}",
        number_text(run.seconds),
    )
