"""Runs that differ in their fold only: which there are, and their scores on a dataset as one.

Scores of several folds on their own dataset are of other images each. Together they are one score of all of them: its
value is the mean over folds, its counts are those of all folds together, and its intervals are of these counts. On
another dataset all are scored on the same images, as heads of several seeds are.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from pipeline.records import FoldScores, folds_text
from pipeline.records.score import Intervals
from pipeline.report.runs import ReportRun, ReportScore

__all__ = ["ScoreOfFolds", "fold_notes", "pooled_score", "score_of_folds", "with_folds"]


class ScoreOfFolds(ReportScore):
    """The scores of several folds as one.

    Parameters
    ----------
    by_fold : number of the fold -> its score
    n_folds : K, folds of the dataset that the heads were trained on
    """

    by_fold: dict[int, ReportScore]
    n_folds: int

    @property
    def together(self) -> FoldScores:
        """Mean over folds, deviation, and score of all counts together."""
        return FoldScores(self.by_fold, self.n_folds)

    def value(self, metric: str) -> float:
        """The mean over folds."""
        return self.together.mean(metric)

    def bounds(self, metric: str) -> tuple[float, float] | None:
        """The 95 % interval of the pooled score; on another dataset than the heads' own the mean of the bounds."""
        if self.together.has_own_rows:
            return self.together.bounds(metric)
        bounds = [interval for score in self.by_fold.values() if (interval := score.bounds(metric))]
        if not bounds:
            return None
        low, high = (fmean(ends) for ends in zip(*bounds, strict=True))
        return low, high


def with_folds(runs: Sequence[ReportRun]) -> list[ReportRun]:
    """The runs of folds with which others they belong to, and one digest for the rows of all of them.

    Runs belong together that differ in their fold only: of one method with its settings, encoder, dataset and seed.
    """
    members: dict[Hashable, list[ReportRun]] = {}
    for run in runs:
        if run.record.fold:
            members.setdefault(_set_of(run), []).append(run)
    return [_in_set(run, members[_set_of(run)]) if run.record.fold else run for run in runs]


def score_of_folds(scores: Mapping[int, ReportScore], n_folds: int) -> ReportScore:
    """The scores of some folds in one column as one.

    Parameters
    ----------
    scores : number of the fold -> score
    """
    each = [scores[number] for number in sorted(scores)]
    first = each[0]
    together = FoldScores(scores, n_folds)
    own = together.has_own_rows
    summed = {"n": sum(score.n for score in each), "rejected": sum(score.rejected for score in each)} if own else {}
    return ScoreOfFolds.model_construct(
        **{
            **dict(first),
            **summed,
            "by_fold": dict(zip(sorted(scores), each, strict=True)),
            "n_folds": n_folds,
            "confusion": tuple(map(tuple, together.confusion.tolist())),
            **{name: together.mean(name) for name in ("accuracy", "uar")},
            **_means(each, ("ece", "ece_uncalibrated")),
            "ece_expected": None if None in [score.ece_expected for score in each] else _mean(each, "ece_expected"),
            "per_class": _recalls(each),
            "support": _added(each, "support") if own else first.support,
            "dropped": _added(each, "dropped") if own else first.dropped,
            "overlap": _overlap(each, own=own),
            "near_overlap": _near(each, own=own),
            "excluded_overlap": sum(score.excluded_overlap for score in each) if own else first.excluded_overlap,
            "audit": tuple(dict.fromkeys(finding for score in each for finding in score.audit)),
        }
    )


def pooled_score(score: ScoreOfFolds) -> ReportScore:
    """The score of the counts of all folds together, which are of rows of their own."""
    together = score.together
    bounds: dict[str, Any] = {name: together.bounds(name) for name in Intervals.model_fields}
    fields = {name: getattr(score, name) for name in ReportScore.model_fields}
    rates = {name: together.pooled(name) for name in ("accuracy", "uar")}
    return ReportScore.model_construct(**fields | rates | {"ci95": Intervals.model_construct(**bounds)})


def fold_notes(runs: Iterable[ReportRun]) -> list[str]:
    """How scores of folds are combined, and which sets lack some, where there are folds."""
    runs = list(runs)
    sets = sorted({(run.name, run.encoder, run.dataset, run.seed, run.folds, run.n_folds) for run in runs if run.folds})
    if not sets:
        return []
    notes = [
        "Scores of folds are one score for each seed: the plain mean over folds, with the 95 % interval of the counts "
        "of all folds together (pooled). Mean and deviation over seeds are of these means. Units of one person or "
        "clip, and heads that share train rows, are not independent: the true intervals are wider."
    ]
    notes += [
        f"{name} on {encoder}, trained on {dataset}, seed {seed}: {folds_text(numbers, n)} are there. The others are "
        "missing from the mean."
        for name, encoder, dataset, seed, numbers, n in sets
        if len(numbers) < n
    ]
    return [*notes, *_partly_scored(run for run in runs if run.folds)]


def _partly_scored(runs: Iterable[ReportRun]) -> Iterator[str]:
    """Sets of folds of which only some were scored on another dataset."""
    members: dict[tuple[str, str, str, int], list[ReportRun]] = {}
    for run in runs:
        members.setdefault((run.name, run.encoder, run.trained_on, run.seed), []).append(run)
    for (name, encoder, train, seed), same in members.items():
        scored = Counter(score.test for run in same for score in run.scores if score.fold is None)
        for test, n in scored.items():
            if n < len(same):
                yield (
                    f"{name} on {encoder}, trained on {train}, seed {seed}: {n} of {len(same)} heads were scored on "
                    f"{test}, and the mean is over these."
                )


def _set_of(run: ReportRun) -> Hashable:
    fold, record = run.record.fold, run.record
    assert fold is not None
    return (run.encoder, run.method, run.settings, run.dataset, run.seed, record.key, fold.n, fold.source)


def _in_set(run: ReportRun, members: Sequence[ReportRun]) -> ReportRun:
    numbers = tuple(sorted({other.fold for other in members}))
    rows = _digest(sorted((other.fold, other.record.rows) for other in members))
    text = folds_text(numbers, run.n_folds)
    scores = []
    for score in run.scores:
        if score.fold is None:
            scores.append(score)
            continue
        others = [(other.fold, each.rows) for other in members for each in other.scores if _same_test(each, score)]
        scored = folds_text(tuple(sorted({number for number, _ in others})), run.n_folds)
        scores.append(score.model_copy(update={"rows": _digest(sorted(others)), "folds": scored}))
    return replace(run, folds=numbers, rows_of_folds=rows, folds_text=text, scores=tuple(scores))


def _same_test(score: ReportScore, other: ReportScore) -> bool:
    return score.fold is not None and score.key == other.key


def _digest(parts: Sequence[tuple[int, str]]) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _mean(scores: Sequence[ReportScore], name: str) -> float:
    return fmean(getattr(score, name) for score in scores)


def _means(scores: Sequence[ReportScore], names: Sequence[str]) -> dict[str, float]:
    return {name: _mean(scores, name) for name in names}


def _recalls(scores: Sequence[ReportScore]) -> dict[str, float | None]:
    """The mean recall of each class over the folds that have it."""
    known = {name: [r for score in scores if (r := score.per_class[name]) is not None] for name in scores[0].per_class}
    return {name: fmean(recalls) if recalls else None for name, recalls in known.items()}


def _added(scores: Sequence[ReportScore], name: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for score in scores:
        total.update(getattr(score, name))
    return {key: total[key] for key in dict.fromkeys(key for score in scores for key in getattr(score, name))}


def _overlap(scores: Sequence[ReportScore], *, own: bool) -> Any:
    """Counts of all folds; of scores on the same rows those of the fold that knows most of them."""
    if any(score.overlap is None for score in scores):
        return None
    return _added(scores, "overlap") if own else max(scores, key=lambda score: score.overlap_share or 0.0).overlap


def _near(scores: Sequence[ReportScore], *, own: bool) -> dict[str, int] | None:
    if any(score.near_overlap is None for score in scores):
        return None
    return _added(scores, "near_overlap") if own else max(scores, key=lambda score: score.near_share).near_overlap
