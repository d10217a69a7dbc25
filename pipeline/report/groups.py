"""Runs grouped by encoder and method, and the means that a cross-dataset comparison rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from pipeline.errors import InputError, MismatchError
from pipeline.labels import EXPRESSIONS

if TYPE_CHECKING:
    from pipeline.report.records import RunRecord
    from pipeline.report.scores import Score

__all__ = ["Cell", "Group", "Spread", "dataset_columns", "group_runs", "ordered_classes", "spread"]


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
    """Every run of one method on the features of one encoder, sorted by train dataset and seed."""

    encoder: str
    method: str
    runs: tuple[RunRecord, ...]

    @property
    def note(self) -> str:
        """What must be known before believing any number of this group; usually empty."""
        return self.runs[0].encoder_note

    @cached_property
    def trains(self) -> tuple[str, ...]:
        """The datasets trained on."""
        return tuple(sorted({run.dataset for run in self.runs}))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every expression that some run of the group knows."""
        return ordered_classes(self.runs)

    @cached_property
    def cells(self) -> dict[tuple[str, str], Cell]:
        """The scored cells by (train, test), in that order."""
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
    """The runs by (encoder, method), sorted by name, so that the order of the input does not matter.

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
    groups = [Group(*key, tuple(run for _, run in sorted(members[key].items()))) for key in sorted(members)]
    _check_encoders(groups)
    for group in groups:
        _check_cells(group)
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


def _check_encoders(groups: list[Group]) -> None:
    first: dict[str, RunRecord] = {}
    for run in (run for group in groups for run in group.runs):
        other = first.setdefault(run.encoder, run)
        if (run.encoder_identity, run.encoder_note) != (other.encoder_identity, other.encoder_note):
            raise MismatchError(
                f"expected one encoder behind the name {run.encoder}, found two identities or notes: "
                f"{_name(other)} and {_name(run)}. Train the older runs again, or name the encoders apart"
            )


def _check_cells(group: Group) -> None:
    for train in group.trains:
        runs = [run for run in group.runs if run.dataset == train]
        if len({run.classes for run in runs}) > 1:
            raise MismatchError(
                f"expected equal classes for every seed, found several for {group.method} on {group.encoder}, "
                f"trained on {train}. Train the older seeds again"
            )
    for cell in group.cells.values():
        _check_cell(group, cell)


def _check_cell(group: Group, cell: Cell) -> None:
    expected = _test_images(cell.first)
    for seed, score in cell.by_seed.items():
        if (found := _test_images(score)) != expected:
            raise MismatchError(
                f"expected every seed to be scored on the same images of {cell.test}, found for seed "
                f"{min(cell.by_seed)}: {expected}; for seed {seed}: {found}; of {group.method} on {group.encoder}, "
                f"trained on {cell.train}. Evaluate the older runs again"
            )


def _test_images(score: Score) -> str:
    labels = ", ".join(f"{name} {n}" for name, n in score.support.items())
    return f"split {score.split}, {'seen' if score.seen else 'unseen'}, n {score.n} ({labels})"


def _name(run: RunRecord) -> str:
    return f"{run.method} on {run.encoder}, trained on {run.dataset}, seed {run.seed}"
