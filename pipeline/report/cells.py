"""Scores of one method on one test dataset over the seeds, and means over such cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from pipeline.errors import MismatchError
from pipeline.footnotes import MOSTLY_SEEN, DatasetFinding
from pipeline.report.folds import score_of_folds
from pipeline.report.runs import NO_TRAINING, ReportRun, ReportScore

__all__ = ["Cell", "Spread", "shared_seeds", "spread", "trained_cells", "untrained_cells"]

_NOTHING_LEARNED = {"seen": False, "overlap": {}, "near_overlap": None}
# Accuracy: another machine rounds otherwise, which can change the prediction of an image or two.
_SAME = 0.01


@dataclass(frozen=True)
class Spread:
    """A mean over cells and seeds. `sd` is the sample deviation over the `n_seeds` seeds, None with fewer than two.

    Both are of the seeds that every cell has. Where the cells have no seed in common, `n_seeds` is 0 and the mean is
    over whatever seeds each cell has.
    """

    mean: float
    sd: float | None
    n_seeds: int


@dataclass(frozen=True)
class Cell:
    """One method with its settings, trained on `train` and scored on `test`, once per seed, on the same test images.

    `is_within`: both are of one dataset under one label rule. Where every seed gives the same head, there is one.
    """

    train: str
    test: str
    is_within: bool
    classes: tuple[str, ...]
    by_seed: Mapping[int, ReportScore]

    @property
    def first(self) -> ReportScore:
        """The score of the lowest seed; n, split and support are the same for every seed."""
        return self.by_seed[min(self.by_seed)]

    @property
    def encoder_saw(self) -> bool:
        """Whether the encoder itself was trained on the train split of `test`."""
        return any(score.encoder_saw for score in self.by_seed.values())

    @cached_property
    def overlap(self) -> float | None:
        """Share of the test rows whose bytes the heads were trained or selected on; None where it was not checked."""
        shares = [score.overlap_share for score in self.by_seed.values()]
        return max((share for share in shares if share is not None), default=0.0) if None not in shares else None

    @cached_property
    def near_overlap(self) -> float:
        """Share of the test rows whose picture an audit found, in other bytes, in what the heads were trained on."""
        return max(score.near_share for score in self.by_seed.values())

    @property
    def audit(self) -> tuple[DatasetFinding, ...]:
        """What audits found in the two datasets, of what marks scores."""
        return tuple(dict.fromkeys(finding for score in self.by_seed.values() for finding in score.audit))

    @cached_property
    def is_unseen(self) -> bool:
        """Whether the heads were not trained on this dataset, nor on half of its rows under another name."""
        return not self.first.seen and (self.overlap or 0.0) + self.near_overlap < MOSTLY_SEEN

    def recall(self, name: str) -> float | None:
        """Mean recall of one expression over the seeds; None if it does not occur among the test images."""
        recalls = [value for score in self.by_seed.values() if (value := score.per_class.get(name)) is not None]
        return fmean(recalls) if recalls else None

    def confusion(self) -> list[list[int]]:
        """Counts summed over the seeds, shape (C, C), rows true."""
        tables = [score.confusion for score in self.by_seed.values()]
        return [[sum(counts) for counts in zip(*rows, strict=True)] for rows in zip(*tables, strict=True)]


def trained_cells(runs: Sequence[ReportRun]) -> list[Cell]:
    """The scored cells of runs of one method with equal settings, by train and test dataset."""
    keys = sorted({(run.trained_on, score.test) for run in runs for score in run.scores})
    return [_cell(runs, *key) for key in keys]


def untrained_cells(runs: Sequence[ReportRun]) -> list[Cell]:
    """One cell per test dataset: the runs differ only in the name of a dataset that they do not use."""
    by_test: dict[str, ReportScore] = {}
    for run in runs:
        for test in dict.fromkeys(score.test for score in run.scores):
            score = _of_seed([other for other in runs if _of_one_set(run, other)], test)
            # The head was trained on no row, so that no dataset is seen.
            first = by_test.setdefault(test, score.model_copy(update=_NOTHING_LEARNED))
            _check_same(run, "where nothing is trained", first, score)
    seed = min(run.seed for run in runs)
    return [
        Cell(NO_TRAINING, test, is_within=False, classes=runs[0].classes, by_seed={seed: by_test[test]})
        for test in sorted(by_test)
    ]


def spread(cells: Sequence[Cell], metric: str) -> Spread:
    """Plain mean over one or more cells, and its deviation over seeds.

    Notes
    -----
    Mean and deviation are over the seeds that every cell has: a seed without one of the cells would otherwise look
    better or worse only because a dataset is missing.
    """
    seeds = shared_seeds(cells)
    means = [fmean(cell.by_seed[seed].value(metric) for cell in cells) for seed in seeds]
    if not means:
        return Spread(fmean(_mean(cell, metric) for cell in cells), None, 0)
    return Spread(fmean(means), stdev(means) if len(means) > 1 else None, len(seeds))


def shared_seeds(cells: Sequence[Cell]) -> list[int]:
    """The seeds that every one of one or more cells has, sorted."""
    return sorted(set.intersection(*(set(cell.by_seed) for cell in cells)))


def _mean(cell: Cell, metric: str) -> float:
    return fmean(score.value(metric) for score in cell.by_seed.values())


def _cell(runs: Sequence[ReportRun], train: str, test: str) -> Cell:
    chosen = [run for run in runs if run.trained_on == train]
    seeds = sorted({run.seed for run in chosen if any(score.test == test for score in run.scores)})
    by_seed = {seed: _of_seed([run for run in chosen if run.seed == seed], test) for seed in seeds}
    first = next(run for run in chosen if run.seed == seeds[0])
    score = by_seed[seeds[0]]
    is_within = score.dataset == first.dataset and (not first.options or first.options == score.options)
    return Cell(train, test, is_within, first.classes, by_seed if first.record.is_random else _one_seed(runs, by_seed))


def _of_seed(runs: Sequence[ReportRun], test: str) -> ReportScore:
    """The score of the runs of one seed in a column: of one run, or of those of several folds together."""
    scores = {run.fold: (run, score) for run in runs for score in run.scores if score.test == test}
    run, score = next(iter(scores.values()))
    if not run.fold:
        return score
    return score_of_folds({number: each for number, (_, each) in scores.items()}, run.n_folds)


def _of_one_set(run: ReportRun, other: ReportRun) -> bool:
    """Whether two runs are one, or differ in their fold only."""
    if not run.fold:
        return other is run
    return (other.dataset, other.seed, other.rows) == (run.dataset, run.seed, run.rows)


def _one_seed(runs: Sequence[ReportRun], by_seed: Mapping[int, ReportScore]) -> dict[int, ReportScore]:
    """Every seed gives the same head: one score, under the lowest seed, which all cells of the group then share."""
    for score in by_seed.values():
        _check_same(runs[0], "where every seed gives the same head", by_seed[min(by_seed)], score)
    return {min(run.seed for run in runs): by_seed[min(by_seed)]}


def _check_same(run: ReportRun, why: str, first: ReportScore, score: ReportScore) -> None:
    if abs(first.accuracy - score.accuracy) > _SAME:
        raise MismatchError(
            f"expected equal scores of {run.name} on {run.encoder}, {why}, found on {score.test} {first.accuracy:.4f} "
            f"and {score.accuracy:.4f}. Train and evaluate the older runs again"
        )
