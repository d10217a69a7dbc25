"""The usable rows of several tables, as one: where each is, its label, and the picture that it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.tables.samples import SPLITS, SampleTable

__all__ = ["AuditedRows", "Place"]

Numbers = npt.NDArray[np.intp]
Labels = npt.NDArray[np.uint64]

_TEXTS = ("id", "path", "label", "split", "sha256", "subject", "clip")


@dataclass(frozen=True)
class Place:
    """One split of one dataset.

    Parameters
    ----------
    n : usable rows; clips with a usable row in a dataset of clips
    """

    dataset: str
    split: str
    n: int


@dataclass(frozen=True, eq=False)
class AuditedRows:
    """N rows, those of each dataset together, in the order of its table.

    Parameters
    ----------
    frame : `dataset`, `row` (of its table), `id`, `path`, `label`, `split`, `sha256`, `box` as text, `subject`, `clip`;
        empty texts where a table has no such column
    classes : dataset -> its classes
    of_clips : datasets whose units are clips; of others every row is a unit
    """

    frame: pd.DataFrame
    classes: Mapping[str, tuple[str, ...]]
    of_clips: frozenset[str] = frozenset()

    @classmethod
    def of(cls, tables: Mapping[str, SampleTable]) -> AuditedRows:
        """The usable rows of tables by the names of their datasets."""
        frames = [_usable(name, table) for name, table in tables.items()]
        of_clips = frozenset(name for name, table in tables.items() if table.info.unit == "clip")
        classes = {name: table.info.classes for name, table in tables.items()}
        return cls(pd.concat(frames, ignore_index=True), classes, of_clips)

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every split of every dataset that has usable rows; datasets as they were named, then train, val, test."""
        sizes = self.frame.iloc[np.unique(self.unit)].groupby(["dataset", "split"]).size()
        pairs = ((dataset, split) for dataset in self.classes for split in SPLITS)
        return tuple(Place(*pair, int(sizes[pair])) for pair in pairs if pair in sizes.index)

    @cached_property
    def unit(self) -> Numbers:
        """The first row of the unit of each row, shape (N,): of its clip, or itself."""
        units = np.arange(len(self))
        frames = np.flatnonzero(self.frame["dataset"].isin(self.of_clips))
        clips = _codes(self.frame["dataset"].iloc[frames] + "\0" + self.frame["clip"].iloc[frames])
        units[frames] = frames[self.first_rows(clips)[clips]] if len(frames) else frames
        return units

    def once_a_unit(self, codes: Numbers) -> Numbers:
        """Codes of rows, -1 in all rows of a clip but the first of each code: equal frames of a clip are no finding."""
        repeated = pd.DataFrame({"unit": self.unit, "code": codes}).duplicated().to_numpy()
        return np.where(repeated, -1, codes)

    @cached_property
    def place(self) -> Numbers:
        """The place of each row, shape (N,): a number among `places`."""
        numbers = {(place.dataset, place.split): number for number, place in enumerate(self.places)}
        return np.array(
            [numbers[pair] for pair in zip(self.frame["dataset"], self.frame["split"], strict=True)], np.intp
        )

    @cached_property
    def _labels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(label for classes in self.classes.values() for label in classes))

    @cached_property
    def label_bit(self) -> Labels:
        """The label of each row as a number with one bit set, shape (N,)."""
        bits = {label: 1 << number for number, label in enumerate(self._labels)}
        return np.array([bits[label] for label in self.frame["label"]], np.uint64)

    @cached_property
    def comparable(self) -> Labels:
        """The labels that two datasets both use, as bits, by place: shape (P, P). Others cannot contradict."""
        masks = {
            name: sum(1 << number for number, label in enumerate(self._labels) if label in classes)
            for name, classes in self.classes.items()
        }
        return np.array(
            [[masks[a.dataset] & masks[b.dataset] for b in self.places] for a in self.places], np.uint64
        ).reshape(len(self.places), len(self.places))

    @cached_property
    def file(self) -> Numbers:
        """The image file of each row, shape (N,): equal numbers are equal bytes."""
        return _codes(self.frame["sha256"])

    @cached_property
    def item(self) -> Numbers:
        """The image file and box of each row, shape (N,): a number among the rows of `items`."""
        return np.asarray(self.frame.groupby(["sha256", "box"], sort=False).ngroup(), np.intp)

    @cached_property
    def items(self) -> pd.DataFrame:
        """The first row of each image file and box, with all columns of `frame`, in the order of `item`."""
        return self.frame.iloc[self.first_rows(self.item)].reset_index(drop=True)

    @staticmethod
    def first_rows(codes: Numbers) -> Numbers:
        """The first row of each code, where codes are numbered from 0 without a gap."""
        return np.unique(codes, return_index=True)[1].astype(np.intp)


def _usable(name: str, table: SampleTable) -> pd.DataFrame:
    usable = table.usable
    columns: dict[str, Any] = {"dataset": pd.Series(name, usable.index, dtype="str"), "row": usable.index}
    for column in _TEXTS:
        columns[column] = usable[column].fillna("") if column in usable else pd.Series("", usable.index, dtype="str")
    columns["box"] = pd.Series(_boxes(usable), usable.index, dtype="str")
    return pd.DataFrame(columns)


def _boxes(usable: pd.DataFrame) -> list[str]:
    if "box" not in usable:
        return [""] * len(usable)
    return [",".join(map(str, box)) if box is not None else "" for box in usable["box"]]


def _codes(column: pd.Series[Any]) -> Numbers:
    return np.asarray(pd.factorize(column)[0], np.intp)
