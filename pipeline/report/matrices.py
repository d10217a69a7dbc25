"""Train x test matrices: one per method and metric, all in the same colours, with the scores of guessing below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

from pipeline.footnotes import footnoted
from pipeline.learning.metrics import METRICS
from pipeline.report.cells import Cell, spread
from pipeline.report.comparison import ComparisonSet, comparison_sets
from pipeline.report.folds import ScoreOfFolds
from pipeline.report.formatting import (
    MISSING,
    NO_COMMON_PAIR,
    audit_text,
    interval_text,
    mean_scope,
    overlap_text,
    percent,
    spread_text,
)
from pipeline.report.groups import Group
from pipeline.report.page_tables import mean_text
from pipeline.report.runs import ReportScore
from pipeline.report.views import MatrixCell, MatrixView, background

__all__ = ["UNSEEN", "matrices"]

UNSEEN = "mean unseen"
_NO_COMMON = "the compared methods have no pair of this train dataset in common"
_EMPTY = MatrixCell(MISSING, "", "", is_seen=False, about="")


def matrices(groups: Sequence[Group], tests: Sequence[str]) -> list[MatrixView]:
    """The matrices of all methods that were scored, by every metric, in the order of the groups.

    Parameters
    ----------
    tests : the columns, the same for all, so that equal places are equal sets of test images
    """
    comparison = {id(group): each for each in comparison_sets(groups) for group in each.groups}
    return [
        _matrix(group, comparison[id(group)], tests, metric) for group in groups if group.cells for metric in METRICS
    ]


def _matrix(group: Group, comparison: ComparisonSet, tests: Sequence[str], metric: str) -> MatrixView:
    within, unseen = comparison.within(group), comparison.unseen(group)
    columns = [footnoted(test, any(cell.encoder_saw for cell in _tested_on(group, test))) for test in tests]
    return MatrixView(
        f"{METRICS[metric].title} of {group.method} on {group.source}",
        metric,
        f"within {mean_text(within, comparison.n_within(group), metric)} · "
        f"unseen {mean_text(unseen, comparison.n_unseen(group), metric)}",
        (*columns, footnoted(UNSEEN, any(cell.encoder_saw for cell in unseen))),
        tuple((train, _row(group, comparison, train, tests, metric)) for train in group.trains),
        (
            ("most frequent", _reference(group, unseen, tests, lambda score: score.majority_baseline(metric))),
            ("guessing", _reference(group, unseen, tests, lambda score: score.chance_level(metric))),
        ),
        bool(group.note),
    )


def _tested_on(group: Group, test: str) -> list[Cell]:
    return [cell for cell in group.cells.values() if cell.test == test]


def _row(
    group: Group, comparison: ComparisonSet, train: str, tests: Sequence[str], metric: str
) -> tuple[MatrixCell, ...]:
    cells = [group.cells.get((train, test)) for test in tests]
    scored = [_EMPTY if cell is None else _shaded([cell], metric, _about(cell, metric)) for cell in cells]
    return (*scored, _mean(comparison.unseen(group, train), comparison.n_unseen(group, train), metric))


def _shaded(cells: Sequence[Cell], metric: str, about: str, difference: str = "") -> MatrixCell:
    measured, text = spread(cells, metric), spread_text(cells, metric)
    mean, _, deviation = text.partition(" ")
    # The symbol of a seen domain is in the header of the column.
    small = " ".join(filter(None, (deviation, overlap_text(cells), audit_text(cells), difference)))
    is_seen = any(cell.first.seen for cell in cells)
    return MatrixCell(mean, small, background(measured.mean), is_seen=is_seen, about=about)


def _mean(cells: Sequence[Cell], n_own: int, metric: str) -> MatrixCell:
    if cells:
        return _shaded(cells, metric, _about_mean(cells), mean_scope(len(cells), n_own))
    return MatrixCell(MISSING, NO_COMMON_PAIR, "", is_seen=False, about=_NO_COMMON) if n_own else _EMPTY


def _about(cell: Cell, metric: str) -> str:
    score = cell.first
    seeds = [line for seed, each in sorted(cell.by_seed.items()) for line in _seed_texts(seed, each, metric)]
    where = f"trained on {cell.train}, tested on {cell.test}{' (seen)' if score.seen else ''}"
    found = [f"audit of {finding}" for finding in cell.audit]
    rows = f"split {score.split}, n {score.n:,}, rejected {score.rejected:,}"
    return "\n".join([where, *seeds, rows, *_overlap(score), *found])


def _seed_texts(seed: int, score: ReportScore, metric: str) -> Iterator[str]:
    """The score with its interval; of folds their mean, the score of all counts together, and each fold."""
    bounds = score.bounds(metric)
    interval = f" (95 % interval {interval_text(bounds, score.n)})" if bounds else ""
    if not isinstance(score, ScoreOfFolds):
        yield f"seed {seed}: {percent(score.value(metric), score.n)}{interval}"
        return
    together = score.together
    pooled = f", pooled {percent(together.pooled(metric), score.n)}" if together.has_own_rows else ""
    yield f"seed {seed}, {together.text}: mean {percent(score.value(metric), score.n)}{pooled}{interval}"
    yield ", ".join(f"fold {number} {percent(each.value(metric), each.n)}" for number, each in score.by_fold.items())


def _overlap(score: ReportScore) -> list[str]:
    """How many test images the head was trained or selected on, as far as that was checked."""
    left_out = (
        [f"{score.excluded_overlap:,} more were left out: train or validation {score.unit}s"]
        if score.excluded_overlap
        else []
    )
    if near := ", ".join(f"{n:,} by {kind}" for kind, n in (score.near_overlap or {}).items() if n):
        left_out.append(f"of them, by an audit, pictures of the head's splits in other files: {near}")
    if score.overlap is None:
        return [*left_out, f"not checked whether they are train or validation {score.unit}s, too"]
    counts = ", ".join(f"{n:,} {split}" for split, n in score.overlap.items() if n)
    return [*left_out, *([f"of them, by their bytes, {score.unit}s of the head's splits: {counts}"] if counts else [])]


def _about_mean(cells: Sequence[Cell]) -> str:
    return f"plain mean over {', '.join(cell.test for cell in cells)}"


def _reference(
    group: Group, unseen: Sequence[Cell], tests: Sequence[str], value: Callable[[ReportScore], float]
) -> tuple[str, ...]:
    """Of every test set, and in the mean over the same unseen pairs as the method's own."""
    texts = [percent(value(cells[0].first)) if (cells := _tested_on(group, test)) else MISSING for test in tests]
    values = [value(cell.first) for cell in unseen]
    return (*texts, percent(fmean(values)) if values else MISSING)
