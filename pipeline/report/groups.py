"""Runs grouped by encoder and method, and the means that a cross-dataset comparison rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from pipeline.errors import InputError, MismatchError
from pipeline.marks import MOSTLY_SEEN
from pipeline.report.agreement import check_agreement
from pipeline.report.apart import name_apart
from pipeline.report.kinds import NO_TRAINING, Kind, kind_of, order_of, settings_order
from pipeline.tables.labels import EXPRESSIONS

if TYPE_CHECKING:
    from pipeline.report.records import RunRecord
    from pipeline.report.scores import Score

__all__ = ["Cell", "Group", "Spread", "dataset_columns", "group_runs", "ordered_classes", "spread"]

# Accuracy: another machine rounds otherwise, which may turn an image or two over.
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
    """One head recipe trained on `train` and scored on `test`, once per seed. Every seed saw the same test images.

    `is_within`: both are of one dataset under one label rule. Where every seed gives the same head, one is there.
    """

    train: str
    test: str
    is_within: bool
    classes: tuple[str, ...]
    by_seed: Mapping[int, Score]

    @property
    def first(self) -> Score:
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
    def is_unseen(self) -> bool:
        """Whether the heads never met this dataset, nor half of its rows under another name."""
        return not self.first.seen and (self.overlap or 0.0) < MOSTLY_SEEN

    def recall(self, name: str) -> float | None:
        """Mean recall of one expression over the seeds; None if it does not occur among the test images."""
        recalls = [value for score in self.by_seed.values() if (value := score.per_class.get(name)) is not None]
        return fmean(recalls) if recalls else None

    def confusion(self) -> list[list[int]]:
        """Counts summed over the seeds, shape (C, C), rows true."""
        tables = [score.confusion for score in self.by_seed.values()]
        return [[sum(counts) for counts in zip(*rows, strict=True)] for rows in zip(*tables, strict=True)]


@dataclass(frozen=True)
class Group:
    """Runs of one method with equal settings on the features of one encoder, sorted by train dataset and seed.

    Where nothing is trained, what a run calls its train dataset means nothing: `NO_TRAINING` stands there, once, and
    every test dataset is an unseen one.
    """

    runs: tuple[RunRecord, ...]

    @property
    def encoder(self) -> str:
        """The encoder of all runs."""
        return self.runs[0].encoder

    @property
    def method(self) -> str:
        """The method, and in brackets the settings that set this group apart from others of it."""
        return self.runs[0].name

    @cached_property
    def kind(self) -> Kind:
        """What has a part in the numbers: in those of an image network, the encoder has none."""
        return kind_of(self.base)

    @property
    def base(self) -> str:
        """The method without the settings that set this group apart from others of it."""
        return self.runs[0].method

    @property
    def source(self) -> str:
        """What the heads read, in words."""
        return f"pixels ({self.encoder})" if self.kind is Kind.IMAGE else self.encoder

    @property
    def note(self) -> str:
        """What must be known before believing any number of this group; usually empty."""
        first, is_image = self.runs[0], self.kind is Kind.IMAGE
        notes = ("" if is_image else first.encoder_note, first.text_note and f"text: {first.text_note}")
        return "; ".join(filter(None, notes))

    @property
    def encoder_saw(self) -> bool:
        """Whether any score is on a dataset whose train split the encoder itself saw."""
        return any(cell.encoder_saw for cell in self.cells.values())

    @cached_property
    def trains(self) -> tuple[str, ...]:
        """The datasets trained on."""
        if self.kind is Kind.UNTRAINED:
            return (NO_TRAINING,)
        return tuple(sorted({run.trained_on for run in self.runs}))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every expression that some run of the group knows."""
        return ordered_classes(self.runs)

    @cached_property
    def cells(self) -> dict[tuple[str, str], Cell]:
        """The scored cells by (train, test), in that order."""
        if self.kind is Kind.UNTRAINED:
            return {(cell.train, cell.test): cell for cell in _untrained_cells(self.runs)}
        keys = sorted({(run.trained_on, score.test) for run in self.runs for score in run.scores})
        return {key: _cell(self.runs, *key) for key in keys}

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The training seeds; the first alone where every seed gives the same head."""
        seeds = sorted({run.seed for run in self.runs})
        return tuple(seeds if self.runs[0].is_random else seeds[:1])

    def within(self, train: str | None = None) -> list[Cell]:
        """The cells tested on the dataset they were trained on, of one train dataset or of all."""
        cells = [cell for cell in self.cells.values() if cell.is_within]
        return [cell for cell in cells if train in (None, cell.train)]

    def unseen(self, train: str | None = None) -> list[Cell]:
        """The cells tested on a dataset the head never saw, of one train dataset or of all."""
        cells = [cell for cell in self.cells.values() if cell.is_unseen]
        return [cell for cell in cells if train in (None, cell.train)]


def spread(cells: Sequence[Cell], metric: str) -> Spread:
    """Plain mean over one or more cells, and its deviation over seeds.

    Notes
    -----
    Mean and deviation are of the seeds that every cell has: a seed that misses a cell would otherwise look better or
    worse only because its hardest dataset is missing.
    """
    seeds = sorted(set.intersection(*(set(cell.by_seed) for cell in cells)))
    means = [fmean(cell.by_seed[seed].value(metric) for cell in cells) for seed in seeds]
    if not means:
        return Spread(fmean(_mean(cell, metric) for cell in cells), None, 0)
    return Spread(fmean(means), stdev(means) if len(means) > 1 else None, len(seeds))


def _mean(cell: Cell, metric: str) -> float:
    return fmean(score.value(metric) for score in cell.by_seed.values())


def group_runs(runs: Iterable[RunRecord]) -> list[Group]:
    """The runs by (encoder, method, settings), sorted by encoder, kind and name, whatever the order of the input.

    Raises
    ------
    InputError
        If a run is given twice: same encoder, method, settings, train rows and seed.
    MismatchError
        If scores of one column were made of different images, or runs of one encoder disagree about what it is.
    """
    members: dict[tuple[str, str, str], dict[tuple[str, int], RunRecord]] = {}
    for run in name_apart(runs):
        known = members.setdefault((run.encoder, run.method, run.settings), {})
        if twin := known.get((run.trained_on, run.seed)):
            raise InputError(
                f"expected every run once, found two of {run.name} on {run.encoder}, trained on {run.trained_on}, "
                f"seed {run.seed}: {twin.label} and {run.label}. Move the copy or the older one out of the runs folder"
            )
        known[run.trained_on, run.seed] = run
    groups = [Group(tuple(run for _, run in sorted(members[key].items()))) for key in sorted(members, key=_order)]
    check_agreement(groups)
    return groups


def ordered_classes(runs: Iterable[RunRecord]) -> tuple[str, ...]:
    """The union of the runs' classes in canonical order."""
    known = {name for run in runs for name in run.classes}
    return tuple(name for name in EXPRESSIONS if name in known)


def dataset_columns(groups: Iterable[Group]) -> tuple[str, ...]:
    """Columns of every matrix: the train datasets, so that seen cells lie on the diagonal, then the others."""
    groups = list(groups)
    trains = sorted({train for group in groups for train in group.trains})
    tests = {test for group in groups for _, test in group.cells}
    return (*(train for train in trains if train in tests), *sorted(tests - set(trains)))


def _cell(runs: Sequence[RunRecord], train: str, test: str) -> Cell:
    chosen = [run for run in runs if run.trained_on == train]
    scored = {run.seed: (run, score) for run in chosen for score in run.scores if score.test == test}
    first, score = scored[min(scored)]
    is_within = score.dataset == first.dataset and (not first.options or first.options == score.options)
    by_seed = {seed: one for seed, (_, one) in scored.items()}
    return Cell(train, test, is_within, first.classes, by_seed if first.is_random else _one_seed(runs, by_seed))


def _one_seed(runs: Sequence[RunRecord], by_seed: Mapping[int, Score]) -> dict[int, Score]:
    """Every seed gives the same head: one score, under the lowest seed, which all cells of the group then share."""
    for score in by_seed.values():
        _check_same(runs[0], "where every seed gives the same head", by_seed[min(by_seed)], score)
    return {min(run.seed for run in runs): by_seed[min(by_seed)]}


def _check_same(run: RunRecord, why: str, first: Score, score: Score) -> None:
    if abs(first.accuracy - score.accuracy) > _SAME:
        raise MismatchError(
            f"expected equal scores of {run.name} on {run.encoder}, {why}, found on {score.test} {first.accuracy:.4f} "
            f"and {score.accuracy:.4f}. Train and evaluate the older runs again"
        )


def _order(key: tuple[str, str, str]) -> tuple[object, ...]:
    encoder, method, settings = key
    return (encoder, *order_of(method), settings_order(settings))


def _untrained_cells(runs: Sequence[RunRecord]) -> list[Cell]:
    """One cell per test dataset: the runs differ in nothing but the name of a dataset that they never used."""
    found: dict[str, Score] = {}
    for run in runs:
        for score in run.scores:
            # No row has a part in the head: none can be seen.
            first = found.setdefault(score.test, replace(score, seen=False, overlap={}))
            _check_same(run, "where nothing is trained", first, score)
    seed = min(run.seed for run in runs)
    return [
        Cell(NO_TRAINING, test, is_within=False, classes=runs[0].classes, by_seed={seed: found[test]})
        for test in sorted(found)
    ]
