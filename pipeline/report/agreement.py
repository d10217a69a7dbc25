"""Runs that belong together must agree on what they are of: their encoder and their test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import MismatchError
from pipeline.report.kinds import Kind

if TYPE_CHECKING:
    from pipeline.report.groups import Cell, Group
    from pipeline.report.records import RunRecord
    from pipeline.report.scores import Score

__all__ = ["check_agreement"]


def check_agreement(groups: Sequence[Group]) -> None:
    """Refuse groups whose numbers contradict each other.

    Raises
    ------
    MismatchError
        If one column holds scores of different images, of whatever method; if the seeds of one cell were scored on
        other features, or only some of them saw the dataset; or if runs of one encoder disagree about what it is.
    """
    _check_encoders(groups)
    _check_columns(groups)
    for group in groups:
        for cell in group.cells.values():
            _check_cell(group, cell)


def _check_encoders(groups: Sequence[Group]) -> None:
    first: dict[str, RunRecord] = {}
    # The numbers of an image network are not the encoder's beside whose features its pixels lay.
    for run in (run for group in groups if group.kind is not Kind.IMAGE for run in group.runs):
        other = first.setdefault(run.encoder, run)
        if (run.encoder_identity, run.encoder_note) != (other.encoder_identity, other.encoder_note):
            raise MismatchError(
                f"expected one encoder behind the name {run.encoder}, found two identities or notes: "
                f"{_name(other)} and {_name(run)}. Train the older runs again, or name the encoders apart"
            )


def _check_columns(groups: Sequence[Group]) -> None:
    """Equal digests of rows mean equal images and labels: the counts must be equal too."""
    first: dict[str, tuple[str, str]] = {}
    for group, cell in [(one, cell) for one in groups for cell in one.cells.values()]:
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
        if (found := _scored_as(score)) != expected:
            raise MismatchError(
                f"expected every seed to be scored on the same images of {cell.test}, found for seed "
                f"{min(cell.by_seed)}: {expected}; for seed {seed}: {found}; of {group.method} on {group.encoder}, "
                f"trained on {cell.train}. Evaluate the older runs again"
            )


def _scored_as(score: Score) -> str:
    return f"{_test_images(score)}, {'seen' if score.seen else 'unseen'}, features {score.store_key} ({score.dtype})"


def _test_images(score: Score) -> str:
    labels = ", ".join(f"{name} {n}" for name, n in score.support.items() if n)
    return f"split {score.split}, n {score.n} ({labels})"


def _name(run: RunRecord) -> str:
    return f"{run.name} on {run.encoder}, trained on {run.trained_on}, seed {run.seed}"
