"""Runs that belong together must agree on what they are of: their encoder, their classes, their test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import MismatchError
from pipeline.report.kinds import NO_TRAINING, Kind

if TYPE_CHECKING:
    from pipeline.report.groups import Cell, Group
    from pipeline.report.records import RunRecord
    from pipeline.report.scores import Score

__all__ = ["check_agreement"]


def check_agreement(groups: Sequence[Group]) -> None:
    """Refuse groups whose numbers do not belong beside each other.

    Raises
    ------
    MismatchError
        If the seeds of one cell were scored on different images, or know different classes; or if runs of one encoder
        disagree about what that encoder is.
    """
    _check_encoders(groups)
    for group in groups:
        _check_classes(group)
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


def _check_classes(group: Group) -> None:
    for train in group.trains:
        runs = [run for run in group.runs if train in (run.dataset, NO_TRAINING)]
        if len({run.classes for run in runs}) > 1:
            raise MismatchError(
                f"expected equal classes for every seed, found several for {group.method} on {group.encoder}, "
                f"trained on {train}. Train the older seeds again"
            )


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
