"""Which scored rows a head knows from its training: by the bytes of their images, and by what an audit found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from cache.errors import CacheError
from pipeline.predict.saved import SavedHead
from stages.errors import StageError
from stages.remedies import as_commands, command_line, encoder_written
from stages.workflows.audit_records import AuditRecords
from stages.workflows.opened_stores import OpenedStores
from stages.workflows.row_identity import HeadRows, HeadRowsFinder, SplitRows, head_rows_digest
from stages.workflows.unit_source import StoredUnits

if TYPE_CHECKING:
    from pipeline.audit.record import AuditRecord

__all__ = ["Overlap", "OverlapFinder", "require_made_fold", "rows_without_overlap"]


@dataclass(frozen=True)
class Overlap:
    """Which usable units of a scored split a head was trained or selected on: masks of shape (U,).

    Of a clip one such frame is enough.

    Parameters
    ----------
    train, val : rows that the head was trained on and selected on, by the bytes of the image
    dataset : rows of the dataset that it was trained on, whichever split they are in there
    near : kind of equality -> rows of other bytes that are equal in this way to one that it was trained or selected on;
        None where no audit covers both datasets
    """

    train: npt.NDArray[np.bool_]
    val: npt.NDArray[np.bool_]
    dataset: npt.NDArray[np.bool_]
    near: Mapping[str, npt.NDArray[np.bool_]] | None = None

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Rows that the head was trained or selected on."""
        return _any(self.train, self.val, *(self.near or {}).values())

    @property
    def kinds(self) -> tuple[str, ...]:
        """How rows can be equal, where an audit was used; empty where bytes alone were compared."""
        return ("bytes", *self.near) if self.near is not None else ()

    def counts(self, scored: npt.NDArray[np.bool_]) -> dict[Literal["train", "val"], int]:
        """How many of the scored rows, a mask of shape (N,), are among those of each split.

        A row that is among both counts as one of train, so that the sum is the number of rows that the head knows.
        """
        return {"train": int((self.train & scored).sum()), "val": int((self.val & ~self.train & scored).sum())}

    def near_counts(self, scored: npt.NDArray[np.bool_]) -> dict[str, int] | None:
        """How many of the scored rows are equal in each way that an audit searched for; None without an audit."""
        return None if self.near is None else {kind: int((rows & scored).sum()) for kind, rows in self.near.items()}


class OverlapFinder:
    """Compares scored rows with the rows of heads. Equal comparisons, of many seeds, are made once.

    Parameters
    ----------
    stores : those that heads were trained on are searched among them
    audits : what audits found; by default bytes alone are compared
    """

    def __init__(self, stores: OpenedStores, audits: AuditRecords | None = None) -> None:
        self._stores, self._audits = stores, audits or AuditRecords(None)
        self._overlaps: dict[tuple[int, int, str, str], Overlap] = {}
        self._head_rows = HeadRowsFinder(stores)

    def find(self, run: SavedHead, dataset: str, rows: SplitRows) -> Overlap | str:
        """Which of the rows of `dataset` the head knows; a text says why that could not be checked."""
        if not run.is_trained:
            nothing = np.zeros(len(rows), bool)
            return Overlap(nothing, nothing, nothing)
        of_head = self._head_rows.find(run.record)
        if of_head is None:
            return self._without_head_rows(run)
        if (images := rows.image_sha256) is None:
            return f"{dataset}: overlap with the rows of heads was not checked: its store has no sha256 of its images"
        # Rows stay in memory, so their ids are unique.
        if (pair := (id(of_head), id(rows), run.record.dataset, dataset)) not in self._overlaps:
            audit = self._audits.covering(run.record.dataset, dataset)
            if audit is not None:
                self._audits.note_unaudited(dataset, images.tolist())
                self._audits.note_unaudited(run.record.dataset, [*of_head.train.tolist(), *of_head.val.tolist()])
            self._overlaps[pair] = _overlap(of_head, rows, images, audit)
        return self._overlaps[pair]

    def _without_head_rows(self, run: SavedHead) -> str:
        why = self._other_rows(run) if run.record.rows else "their records do not name them. Train them again"
        return (
            f"heads of {run.record.encoder}/{run.record.dataset}: overlap with the rows that they were trained on was "
            f"not checked: {why}"
        )

    def _other_rows(self, run: SavedHead) -> str:
        """Why no store has the rows that a run was trained on, and what to do."""
        encoder, dataset = run.record.encoder, run.record.dataset
        try:
            with encoder_written(encoder, run.record.encoder_named):
                store = self._stores.store(encoder, dataset)
        except CacheError as error:
            return as_commands(error)
        changed = "train and validation rows or labels" if store.key == run.record.key else "images or features"
        train = command_line("train", {**_training_again(run), "features": self._stores.features})
        return f"{store.path} has other {changed} now than they were trained on. Train them again: `{train}`"


def _training_again(run: SavedHead) -> dict[str, Any]:
    """What `train` is given to train a head again."""
    record = run.record
    named: dict[str, Any] = {"method": record.method, "dataset": record.dataset, "encoder": record.encoder_named}
    return named | {"fold": (record.fold.number,), "folds": record.fold.n} if record.fold else named


def _overlap(of_head: HeadRows, rows: SplitRows, images: npt.NDArray[np.str_], audit: AuditRecord | None) -> Overlap:
    train, val, dataset = (
        rows.with_any(np.isin(images, known)) for known in (of_head.train, of_head.val, of_head.dataset)
    )
    if audit is None:
        return Overlap(train, val, dataset)
    equal = audit.equal_rows(images.tolist(), np.concatenate([of_head.train, of_head.val]).tolist())
    near, counted = {}, rows.with_any(equal.pop("bytes"))
    for kind, mask in equal.items():  # the strictest first: a clip counts under one kind
        near[kind] = rows.with_any(mask) & ~counted
        counted = counted | near[kind]
    of_dataset = audit.equal_rows(images.tolist(), of_head.dataset.tolist()).values()
    return Overlap(train, val, _any(dataset, *map(rows.with_any, of_dataset)), near)


def _any(first: npt.NDArray[np.bool_], *others: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Rows that are in any of some masks of one shape."""
    combined = first.copy()
    for mask in others:
        combined |= mask
    return combined


def rows_without_overlap(
    run: SavedHead, dataset: str, overlap: Overlap | str, known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """The rows of a split that the head was not trained or selected on: a mask of shape (N,).

    Parameters
    ----------
    overlap : as `OverlapFinder.find` gives it
    known : bool, shape (N,): rows of a class that the head knows

    Raises
    ------
    StageError
        If it is not known which rows to leave out, or none are left.
    """
    if isinstance(overlap, str):
        raise StageError(f"--exclude-overlap on {dataset}: {overlap}. Or score without --exclude-overlap")
    if known.any() and not (known & ~overlap.known).any():
        raise StageError(
            f"--exclude-overlap: all {int(known.sum()):,} rows of {dataset} are among those that {run.folder} was "
            "trained or selected on: nothing is left to score. Name another --dataset"
        )
    return ~overlap.known


def require_made_fold(run: SavedHead, units: StoredUnits) -> None:
    """Refuse to score a head on a made fold that is another one by now.

    Made folds follow from all rows of a table: where some were added or removed, the test rows of a fold are others,
    and the head may have been trained on them.

    Parameters
    ----------
    units : of the head's own dataset, in the splits of its fold

    Raises
    ------
    StageError
        If the train and validation rows are not those of the head.
    """
    record = run.record
    if not (record.fold and record.fold.source == "groups" and record.rows):
        return
    if head_rows_digest(units, record.classes) != record.rows:
        raise StageError(
            f"{run.folder}: expected the rows that fold {record.fold.number} of {record.fold.n} had when the head was "
            f"trained, found others in {units.store.path}: made folds follow from all rows of a table, so that the "
            "head may have been trained on what is the test split now",
            remedy=[("train", _training_again(run))],
            purpose="to train it again",
        )
