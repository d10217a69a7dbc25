"""Runs grouped by encoder and method, with their scores as cells of train and test dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.errors import InputError, MismatchError
from pipeline.footnotes import units_of
from pipeline.records import FeatureIdentity, joined_notes
from pipeline.report.cells import Cell, trained_cells, untrained_cells
from pipeline.report.distinctions import with_distinct_names
from pipeline.report.runs import NO_TRAINING, Kind, ReportRun, ReportScore, kind_of, order_of, settings_order
from pipeline.tables.labels import in_canonical_order

__all__ = ["Group", "dataset_columns", "group_runs", "ordered_classes", "units_text"]


@dataclass(frozen=True)
class Group:
    """Runs of one method with equal settings on the features of one encoder, sorted by train dataset and seed.

    Where nothing is trained, the train dataset of a run has no effect: `NO_TRAINING` replaces it, and every test
    dataset is unseen.
    """

    runs: tuple[ReportRun, ...]

    @property
    def encoder(self) -> str:
        """The encoder of all runs."""
        return self.runs[0].encoder

    @property
    def method(self) -> str:
        """The method, and in brackets the settings that distinguish this group from others of it."""
        return self.runs[0].name

    @cached_property
    def kind(self) -> Kind:
        """What the scores depend on; those of an image network do not depend on the encoder."""
        return kind_of(self.base)

    @property
    def base(self) -> str:
        """The method without the settings that distinguish this group from others of it."""
        return self.runs[0].method

    @property
    def source(self) -> str:
        """The input of the heads, for titles and tables."""
        return f"pixels ({self.encoder})" if self.kind is Kind.IMAGE else self.encoder

    def first_of_each_train(self) -> Iterator[ReportRun]:
        """The run with the lowest seed of each train dataset; of heads that are not trained a single one."""
        for train in dict.fromkeys(run.trained_as for run in self.runs):
            yield min((run for run in self.runs if run.trained_as == train), key=lambda run: run.seed)
            if not self.runs[0].is_trained:
                return  # every train dataset has the same head

    @property
    def note(self) -> str:
        """A warning about all scores of this group; usually empty."""
        first, is_image = self.runs[0].record, self.kind is Kind.IMAGE
        return joined_notes("" if is_image else first.encoder_note, first.text_note)

    @property
    def encoder_saw(self) -> bool:
        """Whether any score is on a dataset whose train split the encoder was trained on."""
        return any(cell.encoder_saw for cell in self.cells.values())

    @cached_property
    def trains(self) -> tuple[str, ...]:
        """The datasets trained on."""
        if self.kind is Kind.UNTRAINED:
            return (NO_TRAINING,)
        return tuple(sorted({run.trained_on for run in self.runs}))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every class of some run of the group."""
        return ordered_classes(self.runs)

    @cached_property
    def cells(self) -> dict[tuple[str, str], Cell]:
        """The scored cells by (train, test), in that order."""
        cells = untrained_cells(self.runs) if self.kind is Kind.UNTRAINED else trained_cells(self.runs)
        return {(cell.train, cell.test): cell for cell in cells}

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The training seeds; the first alone where every seed gives the same head."""
        seeds = sorted({run.seed for run in self.runs})
        return tuple(seeds if self.runs[0].record.is_random else seeds[:1])

    def within(self, train: str | None = None) -> list[Cell]:
        """The cells tested on the dataset they were trained on, of one train dataset or of all."""
        cells = [cell for cell in self.cells.values() if cell.is_within]
        return [cell for cell in cells if train in (None, cell.train)]

    def unseen(self, train: str | None = None) -> list[Cell]:
        """The cells tested on a dataset that the head was not trained on, of one train dataset or of all."""
        cells = [cell for cell in self.cells.values() if cell.is_unseen]
        return [cell for cell in cells if train in (None, cell.train)]


def group_runs(runs: Iterable[ReportRun]) -> list[Group]:
    """The runs by (encoder, method, settings), sorted by encoder, kind and name, whatever the order of the input.

    Raises
    ------
    InputError
        If a run is given twice: same encoder, method, settings, train rows and seed.
    MismatchError
        If scores of one column are of different images, or runs of one encoder name different encoders.
    """
    members: dict[tuple[str, str, str], dict[tuple[str, int, int], ReportRun]] = {}
    for run in with_distinct_names(runs):
        known = members.setdefault((run.encoder, run.method, run.settings), {})
        if twin := known.get((run.trained_on, run.seed, run.fold)):
            raise InputError(
                f"expected every run once, found two of {run.name} on {run.encoder}, trained on {run.trained_as}, "
                f"seed {run.seed}: {twin.label} and {run.label}. Move the copy or the older one out of the runs folder"
            )
        known[run.trained_on, run.seed, run.fold] = run
    groups = [Group(tuple(run for _, run in sorted(members[key].items()))) for key in sorted(members, key=_order)]
    _check_agreement(groups)
    return groups


def ordered_classes(runs: Iterable[ReportRun]) -> tuple[str, ...]:
    """The union of the runs' classes in canonical order."""
    return in_canonical_order(name for run in runs for name in run.classes)


def dataset_columns(groups: Iterable[Group]) -> tuple[str, ...]:
    """Columns of every matrix: the train datasets, so that seen cells are on the diagonal, then the others."""
    groups = list(groups)
    trains = sorted({train for group in groups for train in group.trains})
    tests = {test for group in groups for _, test in group.cells}
    return (*(train for train in trains if train in tests), *sorted(tests - set(trains)))


def units_text(groups: Iterable[Group]) -> str:
    """What was scored: `images`, `clips`, or both."""
    return units_of(cell.first.unit for group in groups for cell in group.cells.values())


def _order(key: tuple[str, str, str]) -> tuple[object, ...]:
    encoder, method, settings = key
    return (encoder, *order_of(method), settings_order(settings))


def _check_agreement(groups: Sequence[Group]) -> None:
    """Refuse groups whose numbers contradict each other: they must agree on their encoder and their test images.

    Raises
    ------
    MismatchError
        If one column holds scores of different images, of whatever method; if the seeds of one cell were scored on
        other features, or only some of them were trained on the dataset; or if runs of one encoder name different
        encoders.
    """
    _check_encoders(groups)
    _check_columns(groups)
    for group in groups:
        for cell in group.cells.values():
            _check_cell(group, cell)


def _check_encoders(groups: Sequence[Group]) -> None:
    first: dict[str, ReportRun] = {}
    # Scores of an image network do not depend on the encoder whose store has the pixels.
    for run in (run for group in groups if group.kind is not Kind.IMAGE for run in group.runs):
        other = first.setdefault(run.encoder, run)
        if _encoder_of(run) != _encoder_of(other):
            raise MismatchError(
                f"expected one encoder behind the name {run.encoder}, found two identities or notes: "
                f"{_name(other)} and {_name(run)}. Train the older runs again, or give the encoders distinct names"
            )


def _check_columns(groups: Sequence[Group]) -> None:
    """Equal digests of rows mean equal images and labels: the counts must be equal too."""
    first: dict[str, tuple[str, str]] = {}
    cells = [(group, cell) for group in groups for cell in group.cells.values()]
    for group, cell in cells:
        where, images = f"{group.method} on {group.encoder}, trained on {cell.train}", _test_images(cell.first)
        other, expected = first.setdefault(cell.test, (where, images))
        if images != expected:
            raise MismatchError(
                f"expected every head to be scored on the same images of {cell.test}, found for {other}: {expected}; "
                f"for {where}: {images}; though both name the rows {cell.first.rows}. Evaluate both again"
            )


def _check_cell(group: Group, cell: Cell) -> None:
    expected = _scored_as(cell.first)
    for seed, score in cell.by_seed.items():
        if (actual := _scored_as(score)) != expected:
            raise MismatchError(
                f"expected every seed to be scored on the same images of {cell.test}, found for seed "
                f"{min(cell.by_seed)}: {expected}; for seed {seed}: {actual}; of {group.method} on {group.encoder}, "
                f"trained on {cell.train}. Evaluate the older runs again"
            )


def _scored_as(score: ReportScore) -> str:
    return f"{_test_images(score)}, {'seen' if score.seen else 'unseen'}, features {score.store_key} ({score.dtype})"


def _test_images(score: ReportScore) -> str:
    labels = ", ".join(f"{name} {n}" for name, n in score.support.items() if n)
    return f"split {score.split}, n {score.n} ({labels})"


def _encoder_of(run: ReportRun) -> tuple[FeatureIdentity, str]:
    return run.record.encoder_identity, run.record.encoder_note


def _name(run: ReportRun) -> str:
    return f"{run.name} on {run.encoder}, trained on {run.trained_as}, seed {run.seed}"
