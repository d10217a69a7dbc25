"""The report's numbers as data: long tables for CSV, and the nested scores that DVC compares between commits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.learning.metrics import METRICS
from pipeline.report.cells import Cell, spread
from pipeline.report.comparison import ComparisonSet, baseline_of, comparison_sets, gain, one_per_dataset
from pipeline.report.distinctions import options_text
from pipeline.report.folds import ScoreOfFolds, pooled_score
from pipeline.report.groups import Group
from pipeline.report.provenance import KEY_LENGTH
from pipeline.report.runs import NO_TRAINING, ReportScore
from pipeline.report.words import words_table

__all__ = ["long_tables", "metrics"]

# One image of a million: enough for every comparison, and without rounding noise in the last bits.
DIGITS = 6


def metrics(groups: Iterable[Group]) -> dict[str, Any]:
    """Scores as {encoder: {method: {train: {"within", "unseen"}}}}, fractions: what `dvc metrics diff` compares.

    Every leaf has each score of `METRICS`, with its deviation, such as `uar_sd`, over two or more seeds, and the
    number of `datasets` for unseen. `within` and `unseen` are left out where nothing was scored. A stand-in encoder
    has its `note` next to its methods; an encoder that was trained on datasets has their layouts as `saw`. Single cells
    are in the table `cells`.

    Notes
    -----
    They compare one method between two commits: each mean is over all pairs of its own method, whatever others were
    scored on, and `datasets` is their number. To compare methods, use the table `summary`.
    """
    tree: dict[str, Any] = {}
    for group in groups:
        encoder = tree.setdefault(group.encoder, {})
        encoder |= {"note": group.note} if group.note else {}
        encoder |= {"saw": ", ".join(saw)} if (saw := group.runs[0].record.encoder_saw) else {}
        encoder[group.method] = {train: _train_metrics(group, train) for train in group.trains}
    return tree


def long_tables(groups: Sequence[Group]) -> dict[str, pd.DataFrame]:
    """Long tables by name, one row per score or count, sorted.

    Returns
    -------
    `summary` : one row per encoder, method: means within and on unseen datasets, deviations over seeds, and how far the
        unseen means are above the image baseline's (empty without one). Rows with one number in `comparable` are over
        the same pairs: `within_pairs` and `unseen_pairs` of them, of the `within_scored` and `unseen_scored` that the
        method has; empty where there is no common pair. `mean_seeds` of the `seeds` are in every mean of the row
    `cells` : one row per encoder, method, train, test: means over seeds, and what guessing and the most frequent
        expression score: the matrices of the page
    `matrix` : one row per encoder, method, train, test, seed: n, scores with their 95 % intervals, ece (and as
        `ece_expected` that of a perfectly calibrated head), rejected
    `per_class` : one row per expression of each of those: recall (empty where it does not occur), support
    `confusion` : one row per pair of expressions of each of those: actual, predicted, count
    `folds` : where there are folds, one row per fold of each of those of `matrix`, which are their means, with the
        intervals of the counts of all folds together; and one that has these counts' own scores, `pooled`
    `words` : where runs have learned tokens, the words nearest to them

    Notes
    -----
    `cells` and `matrix` have the short digest of the scored `rows`, the layout's `options` for them, how many of them
    are train images of the head, or validation images only (`overlap_train`, `overlap_val`, empty where not checked),
    how many show the picture of one in other bytes (`near_overlap`, empty without an audit), and how many such images
    were left out (`excluded_overlap`), and what audits found in the two datasets (`audit`, sentences). Where clips were
    scored, these and `folds` end with `unit`: what all of these count, `image` or `clip`.
    `train` and `test` have distinct names where a dataset has several sets of rows.
    """
    scored, sets = list(_scored(groups)), comparison_sets(groups)
    summary = [
        _summary_row(group, number, comparison)
        for group in groups
        for number, comparison in enumerate(sets, start=1)
        if group in comparison.groups
    ]
    folds = [key | row for key, cell, seed in scored for row in _fold_rows(cell.by_seed[seed])]
    words = words_table(groups)
    unit = ["unit"] if any(cell.first.unit == "clip" for _, cell, _ in scored) else []
    return {
        "summary": pd.DataFrame(summary, columns=_SUMMARY),
        "cells": _frame([_cell_row(group, cell) for group in groups for cell in group.cells.values()], _CELLS + unit),
        "matrix": _frame([key | _score_row(cell.by_seed[seed]) for key, cell, seed in scored], _MATRIX + unit),
        "per_class": _stack(scored, _class_rows, ["expression", "recall", "support"]),
        "confusion": _stack(scored, _confusion_rows, ["actual", "predicted", "count"]),
        **({"words": words} if len(words) else {}),
        **({"folds": _frame(folds, [*_KEY, "fold", *_MATRIX[len(_KEY) :], *unit])} if folds else {}),
    }


_Row = dict[str, Any]
_Scored = tuple[_Row, Cell, int]
_KEY = ["encoder", "encoder_note", "method", "train", "test", "seed"]
_WITH_INTERVAL = [name for name, metric in METRICS.items() if metric.interval]
_BOUNDS = [f"{metric}_{end}" for metric in _WITH_INTERVAL for end in ("low", "high")]
_OVERLAPS = ["overlap_train", "overlap_val", "near_overlap"]
_ROWS = ["rows", "options", *_OVERLAPS, "excluded_overlap", "audit"]
_MATRIX = [
    *_KEY,
    "split",
    "seen",
    "encoder_saw",
    *_ROWS,
    "n",
    *METRICS,
    *_BOUNDS,
    "ece",
    "ece_expected",
    "ece_uncalibrated",
    "rejected",
    "dropped",
]
_WHERE = ("within", "unseen")
_GAINS = [f"{metric}_against_baseline" for metric in METRICS]
_MEANS = [f"{where}_{metric}{end}" for where in _WHERE for metric in METRICS for end in ("", "_sd")]
_PAIRS = ["comparable", "within_pairs", "within_scored", "unseen_pairs", "unseen_scored"]
_SUMMARY = [
    "encoder",
    "encoder_note",
    "method",
    "trains",
    "seeds",
    "mean_seeds",
    *_PAIRS,
    "encoder_saw",
    *_MEANS,
    *_GAINS,
]
_SPREADS = [f"{metric}{end}" for metric in METRICS for end in ("", "_sd")]
_GUESSES = [*(f"{metric}_most_frequent" for metric in METRICS), "guessing"]
_CELLS = [*_KEY[:-1], "seeds", "split", "seen", "encoder_saw", *_ROWS, "n", *_SPREADS, *_GUESSES]


def _train_metrics(group: Group, train: str) -> dict[str, Any]:
    within, unseen = (one_per_dataset(cells) for cells in (group.within(train), group.unseen(train)))
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


def _summary_row(group: Group, number: int, comparison: ComparisonSet) -> _Row:
    within, unseen = comparison.within(group), comparison.unseen(group)
    means = {
        f"{where}_{name}": value
        for where, cells in zip(_WHERE, (within, unseen), strict=True)
        if cells
        for name, value in _means(cells).items()
    }
    baseline = baseline_of(comparison.groups, group.encoder)
    if baseline and baseline is not group:
        gains = {name: gain(group, baseline, metric, comparison) for name, metric in zip(_GAINS, METRICS, strict=True)}
        means |= {name: round(value, DIGITS) for name, value in gains.items() if value is not None}
    pairs = (number, len(within), comparison.n_within(group), len(unseen), comparison.n_unseen(group))
    return {
        **dict(zip(_KEY[:3], (group.encoder, group.note, group.method), strict=True)),
        "trains": sum(train != NO_TRAINING for train in group.trains),
        "seeds": len(group.seeds),
        "mean_seeds": min(comparison.n_seeds(group), default=0),
        **dict(zip(_PAIRS, pairs, strict=True)),
        "encoder_saw": group.encoder_saw,
        **means,
    }


def _cell_row(group: Group, cell: Cell) -> _Row:
    score = cell.first
    key = (group.encoder, group.note, group.method, cell.train, cell.test)
    guesses = (*(score.majority_baseline(metric) for metric in METRICS), score.chance_level(next(iter(METRICS))))
    return {
        **dict(zip(_KEY[:-1], key, strict=True)),
        "seeds": len(cell.by_seed),
        "split": score.split,
        "seen": score.seen,
        "encoder_saw": cell.encoder_saw,
        **_rows_of(score),
        "n": score.n,
        "unit": score.unit,
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


def _fold_rows(score: ReportScore) -> Iterator[_Row]:
    if isinstance(score, ScoreOfFolds):
        for number, each in score.by_fold.items():
            yield {"fold": f"{number} of {score.n_folds}"} | _score_row(each)
        if score.together.has_own_rows:
            yield {"fold": f"pooled of {score.together.text}"} | _score_row(pooled_score(score))


def _score_row(score: ReportScore) -> _Row:
    bounds = [round(bound, DIGITS) for metric in _WITH_INTERVAL for bound in score.bounds(metric) or ()]
    return {
        "split": score.split,
        "seen": score.seen,
        "encoder_saw": score.encoder_saw,
        **_rows_of(score),
        "n": score.n,
        "unit": score.unit,
        **{metric: round(score.value(metric), DIGITS) for metric in METRICS},
        **dict(zip(_BOUNDS, bounds, strict=True)),
        "ece": round(score.ece, DIGITS),
        "ece_expected": _rounded(score.ece_expected),
        "ece_uncalibrated": _rounded(score.ece_uncalibrated),
        "rejected": score.rejected,
        "dropped": sum(score.dropped.values()),
    }


def _frame(rows: Sequence[_Row], columns: Sequence[str]) -> pd.DataFrame:
    """Counts stay whole numbers where one is missing."""
    return pd.DataFrame(rows, columns=list(columns)).astype(dict.fromkeys(_OVERLAPS, "Int64"))


def _rows_of(score: ReportScore) -> _Row:
    overlap: Mapping[Any, int | None] = {"train": None, "val": None} if score.overlap is None else score.overlap
    near = None if score.near_overlap is None else sum(score.near_overlap.values())
    counts = (overlap.get("train", 0), overlap.get("val", 0), near, score.excluded_overlap)
    audit = "; ".join(map(str, score.audit))
    return dict(zip(_ROWS, (score.rows[:KEY_LENGTH], options_text(score.options), *counts, audit), strict=True))


def _rounded(fraction: float | None) -> float | None:
    return None if fraction is None else round(fraction, DIGITS)


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
