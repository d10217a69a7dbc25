"""The report's numbers as data: long tables for CSV, and the nested scores that DVC compares between commits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from pipeline.report.comparison import baseline_of, gain
from pipeline.report.groups import Cell, Group, spread
from pipeline.report.kinds import NO_TRAINING
from pipeline.report.scores import METRICS

__all__ = ["long_tables", "metrics"]

# One image of a million: nothing that a person compares is lost, and files stay free of noise in the last bits.
DIGITS = 6


def metrics(groups: Iterable[Group]) -> dict[str, Any]:
    """Scores as {encoder: {method: {train: {"within", "unseen"}}}}, fractions: what `dvc metrics diff` compares.

    Every leaf is {"accuracy", "uar"}, with `accuracy_sd` and `uar_sd` over two or more seeds, and the number of
    `datasets` for unseen. `within` and `unseen` are left out where nothing was scored. A stand-in encoder carries its
    `note` beside its methods, and one that was trained on datasets itself their layouts as `saw`. Single cells stand in
    the table `cells`.
    """
    tree: dict[str, Any] = {}
    for group in groups:
        encoder = tree.setdefault(group.encoder, {})
        encoder |= {"note": group.note} if group.note else {}
        encoder |= {"saw": ", ".join(saw)} if (saw := group.runs[0].encoder_saw) else {}
        encoder[group.method] = {train: _train_metrics(group, train) for train in group.trains}
    return tree


def long_tables(groups: Sequence[Group]) -> dict[str, pd.DataFrame]:
    """Long tables by name, one row per measured thing, sorted.

    Returns
    -------
    `summary` : one row per encoder, method: means within and on unseen datasets, deviations over seeds, and how far the
        unseen means are above the image baseline's over the same pairs (empty without one)
    `cells` : one row per encoder, method, train, test: means over seeds, and what guessing and the most frequent
        expression score: the matrices of the page
    `matrix` : one row per encoder, method, train, test, seed: n, scores with their 95 % intervals, ece, rejected
    `per_class` : one row per expression of each of those: recall (empty where it does not occur), support
    `confusion` : one row per pair of expressions of each of those: actual, predicted, count
    """
    scored = list(_scored(groups))
    return {
        "summary": pd.DataFrame([_summary_row(group, groups) for group in groups], columns=_SUMMARY),
        "cells": pd.DataFrame(
            [_cell_row(group, cell) for group in groups for cell in group.cells.values()], columns=_CELLS
        ),
        "matrix": pd.DataFrame([key | _score_row(cell, seed) for key, cell, seed in scored], columns=_MATRIX),
        "per_class": _stack(scored, _class_rows, ["expression", "recall", "support"]),
        "confusion": _stack(scored, _confusion_rows, ["actual", "predicted", "count"]),
    }


_Row = dict[str, Any]
_Scored = tuple[_Row, Cell, int]
_KEY = ["encoder", "encoder_note", "method", "train", "test", "seed"]
_BOUNDS = [f"{metric}_{end}" for metric in METRICS for end in ("low", "high")]
_MATRIX = [
    *_KEY,
    "split",
    "seen",
    "encoder_saw",
    "n",
    *METRICS,
    *_BOUNDS,
    "ece",
    "ece_uncalibrated",
    "rejected",
    "dropped",
]
_WHERE = ("within", "unseen")
_GAINS = [f"{metric}_against_baseline" for metric in METRICS]
_MEANS = [f"{where}_{metric}{end}" for where in _WHERE for metric in METRICS for end in ("", "_sd")]
_SUMMARY = ["encoder", "encoder_note", "method", "trains", "seeds", "unseen_pairs", "encoder_saw", *_MEANS, *_GAINS]
_SPREADS = [f"{metric}{end}" for metric in METRICS for end in ("", "_sd")]
_GUESSES = ["accuracy_most_frequent", "uar_most_frequent", "guessing"]
_CELLS = [*_KEY[:-1], "seeds", "split", "seen", "encoder_saw", "n", *_SPREADS, *_GUESSES]


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


def _summary_row(group: Group, groups: Sequence[Group]) -> _Row:
    means = {
        f"{where}_{name}": value
        for where, cells in zip(_WHERE, (group.within(), group.unseen()), strict=True)
        if cells
        for name, value in _means(cells).items()
    }
    baseline = baseline_of(groups, group.encoder)
    if baseline and baseline is not group:
        gains = {name: gain(group, baseline, metric) for name, metric in zip(_GAINS, METRICS, strict=True)}
        means |= {name: round(value, DIGITS) for name, value in gains.items() if value is not None}
    return {
        **dict(zip(_KEY[:3], (group.encoder, group.note, group.method), strict=True)),
        "trains": sum(train != NO_TRAINING for train in group.trains),
        "seeds": len({run.seed for run in group.runs}),
        "unseen_pairs": len(group.unseen()),
        "encoder_saw": group.encoder_saw,
        **means,
    }


def _cell_row(group: Group, cell: Cell) -> _Row:
    score = cell.first
    key = (group.encoder, group.note, group.method, cell.train, cell.test)
    guesses = (*(score.majority(metric) for metric in METRICS), score.chance)
    return {
        **dict(zip(_KEY[:-1], key, strict=True)),
        "seeds": len(cell.by_seed),
        "split": score.split,
        "seen": score.seen,
        "encoder_saw": cell.encoder_saw,
        "n": score.n,
        **_means([cell]),
        **{name: round(value, DIGITS) for name, value in zip(_GUESSES, guesses, strict=True)},
    }


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
        "encoder_saw": score.encoder_saw,
        "n": score.n,
        **{metric: round(score.value(metric), DIGITS) for metric in METRICS},
        **dict(zip(_BOUNDS, bounds, strict=True)),
        "ece": round(score.ece, DIGITS),
        "ece_uncalibrated": None if score.ece_uncalibrated is None else round(score.ece_uncalibrated, DIGITS),
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
