"""The report's numbers as data: long tables for CSV, and the nested scores that DVC compares between commits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from pipeline.report.groups import Cell, Group, spread
from pipeline.report.scores import METRICS

__all__ = ["long_tables", "metrics"]

# One image of a million: nothing that a person compares is lost, and files stay free of noise in the last bits.
DIGITS = 6


def metrics(groups: Iterable[Group]) -> dict[str, Any]:
    """Scores as {encoder: {method: {train: {"within", "unseen"}}}}, fractions: what `dvc metrics diff` compares.

    Every leaf is {"accuracy", "uar"}, with `accuracy_sd` and `uar_sd` over two or more seeds, and the number of
    `datasets` for unseen. `within` and `unseen` are left out where nothing was scored. A stand-in encoder carries its
    `note` beside its methods. Single cells stand in the table `matrix`.
    """
    tree: dict[str, Any] = {}
    for group in groups:
        encoder = tree.setdefault(group.encoder, {"note": group.note} if group.note else {})
        encoder[group.method] = {train: _train_metrics(group, train) for train in group.trains}
    return tree


def long_tables(groups: Sequence[Group]) -> dict[str, pd.DataFrame]:
    """Long tables by name, one row per measured thing, sorted.

    Returns
    -------
    `matrix` : one row per encoder, method, train, test, seed: n, scores with their 95 % intervals, ece, rejected
    `per_class` : one row per expression of each of those: recall (empty where it does not occur), support
    `confusion` : one row per pair of expressions of each of those: actual, predicted, count
    """
    scored = list(_scored(groups))
    return {
        "matrix": pd.DataFrame([key | _score_row(cell, seed) for key, cell, seed in scored], columns=_MATRIX),
        "per_class": _stack(scored, _class_rows, ["expression", "recall", "support"]),
        "confusion": _stack(scored, _confusion_rows, ["actual", "predicted", "count"]),
    }


_Row = dict[str, Any]
_Scored = tuple[_Row, Cell, int]
_KEY = ["encoder", "encoder_note", "method", "train", "test", "seed"]
_BOUNDS = [f"{metric}_{end}" for metric in METRICS for end in ("low", "high")]
_MATRIX = [*_KEY, "split", "seen", "n", *METRICS, *_BOUNDS, "ece", "rejected", "dropped"]


def _train_metrics(group: Group, train: str) -> dict[str, Any]:
    cells = [cell for cell in group.cells.values() if cell.train == train]
    within = [cell for cell in cells if cell.test == train]
    unseen = group.unseen(train)
    return {
        **({"within": _means(within)} if within else {}),
        **({"unseen": _means(unseen) | {"datasets": len(unseen)}} if unseen else {}),
    }


def _means(cells: Sequence[Cell]) -> dict[str, float]:
    leaf: dict[str, float] = {}
    for metric in METRICS:
        measured = spread(cells, metric)
        leaf[metric] = round(measured.mean, DIGITS)
        if measured.sd is not None:
            leaf[f"{metric}_sd"] = round(measured.sd, DIGITS)
    return leaf


def _scored(groups: Iterable[Group]) -> Iterator[_Scored]:
    for group in groups:
        for cell in group.cells.values():
            for seed in sorted(cell.by_seed):
                values = (group.encoder, group.note, group.method, cell.train, cell.test, seed)
                yield dict(zip(_KEY, values, strict=True)), cell, seed


def _stack(scored: Iterable[_Scored], rows_of: Callable[[Cell, int], list[_Row]], columns: list[str]) -> pd.DataFrame:
    rows = [key | row for key, cell, seed in scored for row in rows_of(cell, seed)]
    return pd.DataFrame(rows, columns=[*_KEY, *columns])


def _score_row(cell: Cell, seed: int) -> _Row:
    score = cell.by_seed[seed]
    bounds = [round(bound, DIGITS) for metric in METRICS for bound in score.ci95[metric]]
    return {
        "split": score.split,
        "seen": score.seen,
        "n": score.n,
        **{metric: round(score.value(metric), DIGITS) for metric in METRICS},
        **dict(zip(_BOUNDS, bounds, strict=True)),
        "ece": round(score.ece, DIGITS),
        "rejected": score.rejected,
        "dropped": sum(score.dropped.values()),
    }


def _class_rows(cell: Cell, seed: int) -> list[_Row]:
    score = cell.by_seed[seed]
    return [
        {
            "expression": name,
            "recall": None if (recall := score.per_class[name]) is None else round(recall, DIGITS),
            "support": score.support[name],
        }
        for name in cell.classes
    ]


def _confusion_rows(cell: Cell, seed: int) -> list[_Row]:
    counts = cell.by_seed[seed].confusion
    return [
        {"actual": actual, "predicted": predicted, "count": count}
        for actual, row in zip(cell.classes, counts, strict=True)
        for predicted, count in zip(cell.classes, row, strict=True)
    ]
