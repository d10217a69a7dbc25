"""Runs grouped by encoder and method, and the means that a cross-dataset comparison rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from pipeline.errors import InputError, MismatchError
from pipeline.labels import EXPRESSIONS
from pipeline.report.agreement import check_agreement
from pipeline.report.kinds import NO_TRAINING, Kind, kind_of, order_of

if TYPE_CHECKING:
    from pipeline.report.records import RunRecord
    from pipeline.report.scores import Score

__all__ = ["Cell", "Group", "Spread", "dataset_columns", "group_runs", "ordered_classes", "spread"]

# Accuracy: another machine rounds otherwise, which may turn an image or two over.
_SAME = 0.01


@dataclass(frozen=True)
class Spread:
    """A mean over cells and seeds. `sd` is the sample deviation over the `n_seeds` seeds, None with fewer than two."""

    mean: float
    sd: float | None
    n_seeds: int


@dataclass(frozen=True)
class Cell:
    """One head recipe trained on `train` and scored on `test`, once per seed. Every seed saw the same test images."""

    train: str
    test: str
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
    """Every run of one method on the features of one encoder, sorted by train dataset and seed.

    Where nothing is trained, what a run calls its train dataset means nothing: `NO_TRAINING` stands there, once, and
    every test dataset is an unseen one.
    """

    encoder: str
    method: str
    runs: tuple[RunRecord, ...]

    @cached_property
    def kind(self) -> Kind:
        """What has a part in the numbers: in those of an image network, the encoder has none."""
        return kind_of(self.method)

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
        return tuple(sorted({run.dataset for run in self.runs}))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every expression that some run of the group knows."""
        return ordered_classes(self.runs)

    @cached_property
    def cells(self) -> dict[tuple[str, str], Cell]:
        """The scored cells by (train, test), in that order."""
        if self.kind is Kind.UNTRAINED:
            return {(cell.train, cell.test): cell for cell in _untrained_cells(self.runs)}
        keys = sorted({(run.dataset, score.dataset) for run in self.runs for score in run.scores})
        return {key: _cell(self.runs, *key) for key in keys}

    def within(self) -> list[Cell]:
        """The cells tested on the dataset they were trained on."""
        return [cell for cell in self.cells.values() if cell.train == cell.test]

    def unseen(self, train: str | None = None) -> list[Cell]:
        """The cells tested on a dataset the head never saw, of one train dataset or of all."""
        cells = [cell for cell in self.cells.values() if not cell.first.seen]
        return [cell for cell in cells if train in (None, cell.train)]


def spread(cells: Sequence[Cell], metric: str) -> Spread:
    """Plain mean over one or more cells of their means over seeds.

    Notes
    -----
    The deviation is that of the mean over all cells, between the seeds that every cell has: a seed that misses a
    cell would otherwise look better or worse only because its hardest dataset is missing.
    """
    seeds = sorted(set.intersection(*(set(cell.by_seed) for cell in cells)))
    means = [fmean(cell.by_seed[seed].value(metric) for cell in cells) for seed in seeds]
    mean = fmean(fmean(score.value(metric) for score in cell.by_seed.values()) for cell in cells)
    return Spread(mean, stdev(means) if len(means) > 1 else None, len(seeds))


def group_runs(runs: Iterable[RunRecord]) -> list[Group]:
    """The runs by (encoder, method), sorted by encoder, kind and name, whatever the order of the input.

    Raises
    ------
    InputError
        If a run is given twice: same encoder, method, train dataset and seed.
    MismatchError
        If the seeds of one cell were scored on different images, or know different classes; or if runs of one encoder
        disagree about what that encoder is.
    """
    members: dict[tuple[str, str], dict[tuple[str, int], RunRecord]] = {}
    for run in runs:
        known = members.setdefault((run.encoder, run.method), {})
        if (run.dataset, run.seed) in known:
            raise InputError(
                f"expected every run once, found two of {run.method} on {run.encoder}, trained on {run.dataset}, "
                f"seed {run.seed}. Remove the older one"
            )
        known[run.dataset, run.seed] = run
    groups = [Group(*key, tuple(run for _, run in sorted(members[key].items()))) for key in sorted(members, key=_order)]
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


def _cell(runs: Iterable[RunRecord], train: str, test: str) -> Cell:
    chosen = [run for run in runs if run.dataset == train]
    by_seed = {run.seed: score for run in chosen for score in run.scores if score.dataset == test}
    return Cell(train, test, chosen[0].classes, by_seed)


def _order(key: tuple[str, str]) -> tuple[object, ...]:
    encoder, method = key
    return (encoder, *order_of(method))


def _untrained_cells(runs: Sequence[RunRecord]) -> list[Cell]:
    """One cell per test dataset: the runs differ in nothing but the name of a dataset that they never used."""
    found: dict[str, dict[int, Score]] = {}
    for run in runs:
        for score in run.scores:
            first = found.setdefault(score.dataset, {}).setdefault(run.seed, replace(score, seen=False))
            if abs(first.accuracy - score.accuracy) > _SAME:
                raise MismatchError(
                    f"expected equal scores of {run.method} on {run.encoder}, where nothing is trained, found on "
                    f"{score.dataset} {first.accuracy:.4f} and {score.accuracy:.4f}. Train and evaluate the older runs "
                    "again"
                )
    return [Cell(NO_TRAINING, test, runs[0].classes, found[test]) for test in sorted(found)]
