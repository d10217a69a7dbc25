"""The folds of a store: which a request names, and the units of the store in the splits of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cache import Store
from pipeline.records import FoldRecord
from pipeline.tables.fold import Fold
from pipeline.tables.folds import NO_FOLD, GroupedRows, assign_folds, fold_splits, table_folds
from stages.errors import ParamsError, StageError
from stages.params import Params
from stages.requests import TrainRequest
from stages.workflows.unit_source import StoredUnits, unit_source

__all__ = ["FoldSources", "StoreFolds", "requested_folds"]

_COLUMNS = ("id", "label", "subject", "clip", "path", "sha256")
_VAL_FRACTION = 0.1  # of layouts, where a store does not state the option


@dataclass(frozen=True)
class StoreFolds:
    """The folds of one store. They follow from its table alone, so that those of every encoder are the same.

    Parameters
    ----------
    store : with the splits of its table
    """

    store: Store
    _made: dict[int, npt.NDArray[np.intp]] = field(default_factory=dict)

    @cached_property
    def n_own(self) -> int:
        """How many folds the table has itself; 0 if it has none."""
        return table_folds(self._own, self.store.dataset)

    def fold(self, number: int, n: int | None = None) -> Fold:
        """Fold `number`: of those of the table, or, where it has none, of `n` that are made by group.

        Raises
        ------
        StageError
            If the table has no folds and `n` is None, has another number of them, or there is no such number.
        """
        own, dataset = self.n_own, self.store.dataset
        if not own and n is None:
            raise StageError(
                f"{dataset}: expected a table with a column fold, found none. Name the number of folds to make, by "
                f"subject, clip and picture: --folds 5, or --fold {number} --folds 5 for one of them"
            )
        if own and n not in (None, own):
            raise StageError(f"{dataset}: expected --folds {own}, the number of folds of its table, found {n}")
        total = own or n or 0
        if not 1 <= number <= total:
            raise StageError(f"{dataset}: expected a fold from 1 to {total}, found {number}")
        return Fold(number, total, "table" if own else "groups")

    def units_of(self, fold: Fold | FoldRecord | None) -> StoredUnits:
        """The units in the splits of a fold, or of their table for None.

        Raises
        ------
        StageError
            If the store's table has other folds by now.
        DatasetError
            If there are too few groups.
        """
        if fold is None:
            return unit_source(self.store)
        if (fold.n, fold.source) != (self.n_own or fold.n, "table" if self.n_own else "groups"):
            found = f"{self.n_own} folds of its own" if self.n_own else "no folds of its own"
            raise StageError(
                f"{self.store.path}: expected {fold.n} folds of the {fold.source}, found a table with {found}. Train "
                "the head again, on the folds that the table has now"
            )
        numbers = self._own if self.n_own else self._folds(fold.n)
        where = self.store.dataset
        splits = fold_splits(self._groups, numbers, fold.number, self._val_fraction, where)
        return unit_source(self.store, splits)

    @property
    def _val_fraction(self) -> float:
        """The option of the layout."""
        return float(self.store.manifest.dataset.get("options", {}).get("val_fraction", _VAL_FRACTION))

    @cached_property
    def _own(self) -> npt.NDArray[np.intp]:
        if "fold" not in self.store.manifest.columns:
            return np.full(len(self.store), NO_FOLD)
        return self.store.columns(["fold"])["fold"].to_numpy().astype(np.intp)

    @cached_property
    def _groups(self) -> GroupedRows:
        frame = self.store.columns([name for name in _COLUMNS if name in self.store.manifest.columns])
        columns = {name: frame[name].to_numpy(dtype=object) for name in frame.columns}
        return GroupedRows.of(columns, clips=self.store.unit == "clip")

    def _folds(self, n: int) -> npt.NDArray[np.intp]:
        if n not in self._made:
            self._made[n] = assign_folds(self._groups, n, self.store.dataset)
        return self._made[n]


class FoldSources:
    """Units of stores in their splits, or in those of folds: each made once, however many heads are of it."""

    def __init__(self) -> None:
        self._folds: dict[tuple[str, str], StoreFolds] = {}
        self._units: dict[tuple[str, str, str, str], StoredUnits] = {}

    def folds_of(self, store: Store) -> StoreFolds:
        """The folds of a store."""
        return self._folds.setdefault((str(store.path), store.key), StoreFolds(store))

    def of(self, store: Store, fold: Fold | FoldRecord | None) -> StoredUnits:
        """The units of a store in the splits of a fold: see `StoreFolds.units_of`."""
        of_fold = (fold.name, fold.source) if fold else ("", "")
        if (name := (str(store.path), store.key, *of_fold)) not in self._units:
            self._units[name] = self.folds_of(store).units_of(fold)
        return self._units[name]


def requested_folds(request: TrainRequest, params: Params, dataset: str, folds: StoreFolds) -> Sequence[Fold | None]:
    """The folds that a request names, or params.yaml: all of `--folds K`, or some; (None,) for the table's splits.

    Raises
    ------
    ParamsError
        If `fold` and `folds` both say which.
    StageError
        If the table has other folds, or none.
    """
    which, of = request.fold, request.folds
    if which is None and of is None:
        of = params.run.folds.get(dataset)
    if isinstance(of, tuple):
        if which is not None:
            raise ParamsError("--fold and --folds both name folds: expected a number of folds for --folds, such as 5")
        which, of = of, None
    if of == 0 and which is not None:
        raise ParamsError("--fold with --folds 0, which is no folds: leave one of them out")
    if not of and which is None:
        return (None,)
    if of == 1:
        raise ParamsError("--folds 1: expected two folds or more, or 0 for none; --fold 1 names the first")
    return tuple(folds.fold(number, of or None) for number in dict.fromkeys(which or range(1, (of or 0) + 1)))
