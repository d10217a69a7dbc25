"""Folds of cross-validation: one is the test split, of the others a share by group is the validation split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.errors import DatasetError

__all__ = ["NO_FOLD", "UNUSED", "GroupedRows", "assign_folds", "fold_splits", "table_folds"]

NO_FOLD = -1  # the number of a row that is in no fold
UNUSED = ""  # the split of a row that a fold does not read

_LINKS = ("subject", "clip", "path", "sha256")  # rows with an equal value of one of them are never in two folds
_TOLERANCE = 0.5  # a validation split by hash has its share of the units, this much more or less of it

Numbers = npt.NDArray[np.intp]
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class GroupedRows:
    """The rows of a dataset by what must never be divided.

    Parameters
    ----------
    codes : group of each row, in [0, G), shape (N,)
    names : of each group: the first by name of its subjects, else of its clips or ids; str, shape (G,)
    labels : class of each row, in [0, C), shape (N,)
    units : 1 for each row that counts: an image, or the first row of a clip; else 0; shape (N,)
    """

    codes: Numbers
    names: Texts
    labels: Numbers
    units: Numbers

    @classmethod
    def of(cls, columns: Mapping[str, Texts], *, clips: bool) -> GroupedRows:
        """The groups of rows that share a subject, a clip, a picture or their bytes, or that others link so.

        Rows that cannot be used count as others do: the folds of a dataset are the same, whatever encoder and decoder
        read it.

        Parameters
        ----------
        columns : `id` and `label`, and where known `subject`, `clip`, `path`, `sha256`; shape (N,), empty if unknown
        clips : whether the units are clips
        """
        codes = _connected([columns[name] for name in _LINKS if name in columns], len(columns["id"]))
        names = columns["id"]
        for name in ("clip", "subject"):
            if name in columns:
                names = np.where(_known(columns[name]), columns[name], names)
        first = pd.Series(names).groupby(codes).min().to_numpy(dtype=object)
        labels = pd.factorize(columns["label"], sort=True)[0]
        units = np.ones(len(codes), np.intp)
        if clips:
            units = (~pd.Series(columns["clip"]).duplicated()).to_numpy().astype(np.intp)
        return cls(codes, first, labels, units)

    def __len__(self) -> int:
        return len(self.names)

    def counts(self, rows: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.int64]:
        """Units of each class in each group, of some rows or all: int64, shape (G, C)."""
        n_classes = int(self.labels.max()) + 1
        weights = self.units if rows is None else self.units * rows
        pairs = self.codes * n_classes + self.labels
        counts = np.bincount(pairs, weights, minlength=len(self) * n_classes)
        return counts.reshape(len(self), n_classes).astype(np.int64)

    def of_rows(self, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """The groups that have one of some rows: bool, shape (G,)."""
        return np.bincount(self.codes, rows, minlength=len(self)) > 0

    @cached_property
    def draws(self) -> npt.NDArray[np.float64]:
        """A number in [0, 1) of each group that depends on its name alone: shape (G,)."""
        digests = b"".join(hashlib.sha256(str(name).encode()).digest()[:8] for name in self.names)
        return np.frombuffer(digests, ">u8").astype(np.float64) / 2**64


def table_folds(numbers: Numbers, where: str) -> int:
    """K of the folds that a table has itself; 0 if it has none.

    Parameters
    ----------
    numbers : fold of each row, `NO_FOLD` where it has none; shape (N,)
    where : the dataset, for messages

    Raises
    ------
    DatasetError
        If they are not numbered from 1 to K, or there is one only.
    """
    found = [int(number) for number in np.unique(numbers) if number != NO_FOLD]
    if found and (found != list(range(1, len(found) + 1)) or len(found) < 2):
        raise DatasetError(
            f"{where}: expected two folds or more, numbered from 1 without gaps, found "
            f"{', '.join(map(str, found[:10]))}. Number them so in the column fold, and index and extract it again"
        )
    return len(found)


def assign_folds(groups: GroupedRows, n: int, where: str) -> Numbers:
    """A fold in [1, n] for each row, shape (N,): groups stay whole, classes are as even as groups allow.

    Groups are placed in order of size, large ones first, equal ones by a hash of their names: each where the sum over
    classes of (units - target)^2 / target grows least. The order of the rows plays no part.

    Raises
    ------
    DatasetError
        If there are fewer groups than folds.
    """
    if len(groups) < n:
        raise DatasetError(
            f"{where}: expected {n} groups or more for {n} folds, found {len(groups)}, as rows of one subject, clip or "
            f"picture stay together. Use at most {len(groups)} folds"
        )
    counts = groups.counts()
    parts, order = _divided(groups, counts, np.full(n, 1 / n)), _large_first(groups, counts)
    for empty in np.setdiff1d(np.arange(n), parts):
        most = np.bincount(parts, minlength=n).argmax()
        parts[order[parts[order] == most][-1]] = empty
    return np.asarray(1 + parts[groups.codes])


def fold_splits(groups: GroupedRows, numbers: Numbers, number: int, val_fraction: float, where: str) -> Texts:
    """The split of each row in one fold: train, val, test, or `UNUSED`; shape (N,).

    The rows of fold `number` are the test split. Of the groups of the others a share is the validation split, chosen by
    a hash of their names; where that gives less than half or more than one and a half of the share, or leaves a class
    out of which it should have two units, they are divided as `assign_folds` does. Rows without a fold are trained on,
    unless others of their group are tested or validated on: those are not used.

    Parameters
    ----------
    numbers : fold of each row, `NO_FOLD` where it has none; shape (N,)
    val_fraction : in [0, 1)
    where : the dataset, for messages

    Raises
    ------
    DatasetError
        If there are too few groups for a train and a validation split.
    """
    test = numbers == number
    others = (numbers != NO_FOLD) & ~test
    is_val = _validation_groups(groups, others, val_fraction, f"{where}, fold {number}")
    splits = np.where(others & is_val[groups.codes], "val", "train").astype(object)
    splits[test] = "test"
    elsewhere = is_val | groups.of_rows(test)
    splits[(numbers == NO_FOLD) & elsewhere[groups.codes]] = UNUSED
    return splits


def _validation_groups(
    groups: GroupedRows, rows: npt.NDArray[np.bool_], share: float, where: str
) -> npt.NDArray[np.bool_]:
    free = groups.of_rows(rows)
    if not share:
        return np.zeros(len(groups), bool)
    if free.sum() < 2:
        raise DatasetError(
            f"{where}: expected two groups or more beside the test fold, for train and val, found {free.sum()}. Rows "
            "of one subject, clip or picture stay together: use more folds, or a dataset with more of them"
        )
    counts = groups.counts(rows)
    chosen = free & (groups.draws < share)
    if not _is_balanced(counts[chosen].sum(axis=0), counts.sum(axis=0), share):
        chosen = free & (_divided(groups, counts, np.array([1 - share, share]), free) == 1)
    if not chosen.any():  # groups are too large for their share: the smallest one
        order = _large_first(groups, counts)
        chosen[order[free[order]][-1]] = True
    return chosen


def _is_balanced(chosen: npt.NDArray[np.int64], totals: npt.NDArray[np.int64], share: float) -> bool:
    target = share * totals.sum()
    if abs(chosen.sum() - target) > _TOLERANCE * target:
        return False
    return bool((chosen[share * totals >= 2] > 0).all())


def _divided(
    groups: GroupedRows,
    counts: npt.NDArray[np.int64],
    shares: npt.NDArray[np.float64],
    chosen: npt.NDArray[np.bool_] | None = None,
) -> Numbers:
    """A part in [0, K) for each group, shape (G,), parts as large as `shares` says; of `chosen` groups alone."""
    order = _large_first(groups, counts)
    order = order if chosen is None else order[chosen[order]]
    # Plain numbers: there may be a million groups of one unit, for which numpy takes ten times as long.
    totals = counts.sum(axis=0).tolist()
    targets = [[share * total for total in totals] for share in shares.tolist()]
    placed = [[0] * len(totals) for _ in targets]
    missing = [share * sum(totals) for share in shares.tolist()]
    parts = np.zeros(len(groups), np.intp)
    for group in order.tolist():
        units = [(label, n) for label, n in enumerate(counts[group].tolist()) if n]
        part = min(range(len(targets)), key=lambda k: (_cost(units, placed[k], targets[k]), -missing[k]))
        parts[group] = part
        for label, n in units:
            placed[part][label] += n
            missing[part] -= n
    return parts


def _large_first(groups: GroupedRows, counts: npt.NDArray[np.int64]) -> Numbers:
    """The groups by their units, equal ones by a hash of their names."""
    return np.lexsort((groups.names.astype(str), groups.draws, -counts.sum(axis=1)))


def _cost(units: Sequence[tuple[int, int]], placed: Sequence[int], targets: Sequence[float]) -> float:
    """By how much the sum over classes of (units - target)^2 / target grows."""
    return sum(n * (2 * (placed[label] - targets[label]) + n) / targets[label] for label, n in units)


def _connected(columns: Sequence[Texts], n_rows: int) -> Numbers:
    """A number for each row: equal for rows that share a value of some column, or that a chain of such rows links."""
    from scipy.sparse import coo_array  # late: whatever knows the names of splits imports this package
    from scipy.sparse.csgraph import connected_components

    rows, values, n_nodes = [], [], n_rows
    for column in columns:
        known = np.flatnonzero(_known(column))
        codes, distinct = pd.factorize(column[known])
        rows.append(known)
        values.append(codes + n_nodes)
        n_nodes += len(distinct)
    ends = (np.concatenate([np.empty(0, np.intp), *rows]), np.concatenate([np.empty(0, np.intp), *values]))
    graph = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(n_nodes, n_nodes))
    labels = connected_components(graph, directed=False)[1][:n_rows]
    return np.asarray(pd.factorize(labels)[0], np.intp)


def _known(column: Texts) -> npt.NDArray[np.bool_]:
    return np.asarray(pd.notna(column) & (column != ""), bool)
