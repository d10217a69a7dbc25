"""Which rows are equal, by kind: exact kinds are groups of rows, near kinds are pairs of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.audit.near_pairs import NearPairs
from pipeline.audit.rows import AuditedRows, Labels, Numbers

__all__ = ["Equality", "ExactGroups", "Links", "NearPictures"]


@dataclass(frozen=True, eq=False)
class Links:
    """Pairs of rows that show equal pictures: shape (M,) each, `first` < `second`; a pair may be there twice."""

    first: Numbers
    second: Numbers
    distance: npt.NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Iterable[Links], n_rows: int) -> Links:
        """All links of `n_rows` rows, each pair once, ordered by distance and rows."""
        links = list(parts)
        first, second, distance = (
            np.concatenate([np.empty(0, dtype), *(getattr(one, name) for one in links)])
            for name, dtype in (("first", np.intp), ("second", np.intp), ("distance", np.float64))
        )
        _, unique = np.unique(first * n_rows + second, return_index=True)
        first, second, distance = first[unique], second[unique], distance[unique]
        order = np.argsort(distance, kind="stable")
        return cls(first[order], second[order], distance[order])


class Equality(Protocol):
    """One kind of equality over N rows."""

    @property
    def kind(self) -> str:
        """One of `KINDS`, or a column: subject, clip."""

    @property
    def group(self) -> Numbers:
        """The group of each row, shape (N,); a row without an equal is a group of its own."""

    def labels_at(self, place: int) -> Labels:
        """The labels, as bits, of the rows at `place` that equal each row, besides itself: shape (N,); 0 if none do."""

    def links(self, place: int, rows: npt.NDArray[np.bool_]) -> Links:
        """Pairs of each of some rows, a mask, with an equal at `place`."""


@dataclass(frozen=True, eq=False)
class ExactGroups:
    """Rows of one group are all equal.

    Parameters
    ----------
    rows : N rows
    kind : as `Equality` has it
    across : shape (N,): groups of rows at different places; -1 where a row belongs to none
    within : shape (N,): the same of rows at one place. A picture with several boxes is one picture in two splits, but
        its rows in one split are different faces
    """

    rows: AuditedRows
    kind: str
    across: Numbers
    within: Numbers

    @property
    def group(self) -> Numbers:
        return self.across

    def labels_at(self, place: int) -> Labels:
        rows = self.rows
        here = rows.place == place
        labels = _labels_of(self.across, here, rows.label_bit)
        counts = np.bincount(self.within[here & (self.within >= 0)], minlength=self.within.max(initial=0) + 1)
        several = here & (self.within >= 0) & (counts[self.within] > 1)
        inside = _labels_of(self.within, here, rows.label_bit)
        return np.where(here, np.where(several, inside, np.uint64(0)), labels)

    def links(self, place: int, rows: npt.NDArray[np.bool_]) -> Links:
        """With the first row of its group there: a group of n rows has about n links, not n^2 / 2."""
        here = self.rows.place == place
        across, within = np.flatnonzero(rows & ~here), np.flatnonzero(rows & here)
        partners = _first_rows(self.across, here)[self.across[across]]
        mine = self.within[within]
        firsts = _first_rows(self.within, here)
        seconds = _first_rows(self.within, here, without=firsts)
        siblings = np.where(firsts[mine] == within, seconds[mine], firsts[mine])
        first, second = np.concatenate([across, within]), np.concatenate([partners, siblings])
        return _links(first, second, np.zeros(len(first)))


@dataclass(frozen=True, eq=False)
class NearPictures:
    """Rows whose pictures are near each other; not transitive.

    Parameters
    ----------
    rows : N rows
    kind : as `Equality` has it
    picture : shape (N,): which of P pictures each row shows, numbered from 0 without a gap
    pairs : of pictures
    """

    rows: AuditedRows
    kind: str
    picture: Numbers
    pairs: NearPairs

    @cached_property
    def group(self) -> Numbers:
        return self.pairs.components(self.n_pictures)[self.picture]

    @property
    def n_pictures(self) -> int:
        return int(self.picture.max(initial=-1)) + 1

    def labels_at(self, place: int) -> Labels:
        rows = self.rows
        here = rows.place == place
        at_place = np.zeros(self.n_pictures, np.uint64)
        np.bitwise_or.at(at_place, self.picture[here], rows.label_bit[here])
        near = np.zeros_like(at_place)
        np.bitwise_or.at(near, self.pairs.first, at_place[self.pairs.second])
        np.bitwise_or.at(near, self.pairs.second, at_place[self.pairs.first])
        return near[self.picture]

    def links(self, place: int, rows: npt.NDArray[np.bool_]) -> Links:
        """Every pair of pictures: of each picture the first of the rows, and the first one at `place`."""
        here = np.flatnonzero(self.rows.place == place)
        firsts = pd.DataFrame({"other": self.picture[here], "second": here}).drop_duplicates("other")
        chosen = np.flatnonzero(rows)
        places = self.rows.place[chosen]
        mine = pd.DataFrame({"picture": self.picture[chosen], "place": places, "first": chosen})
        mine = mine.drop_duplicates(["picture", "place"])
        both = pd.concat(self._directions(), ignore_index=True)
        joined = both.merge(mine, on="picture").merge(firsts, on="other")
        return _links(*(joined[name].to_numpy() for name in ("first", "second", "distance")))

    def _directions(self) -> Iterator[pd.DataFrame]:
        for a, b in ((self.pairs.first, self.pairs.second), (self.pairs.second, self.pairs.first)):
            yield pd.DataFrame({"picture": a, "other": b, "distance": self.pairs.distance})


def _labels_of(codes: Numbers, here: npt.NDArray[np.bool_], bits: Labels) -> Labels:
    """For each row the labels of the rows `here` that have its code; 0 for the code -1."""
    masks = np.zeros(codes.max(initial=-1) + 2, np.uint64)  # the last one is that of the code -1
    with_code = here & (codes >= 0)
    np.bitwise_or.at(masks, codes[with_code], bits[with_code])
    return masks[codes]


def _first_rows(codes: Numbers, here: npt.NDArray[np.bool_], without: Numbers | None = None) -> Numbers:
    """Code -> the first row `here` that has it, those in `without` passed over; -1 if there is none."""
    chosen = here & (codes >= 0)
    if without is not None:
        chosen = chosen.copy()
        chosen[without[without >= 0]] = False
    rows = np.flatnonzero(chosen)[::-1]
    firsts = np.full(codes.max(initial=-1) + 2, -1, np.intp)
    firsts[codes[rows]] = rows
    return firsts


def _links(a: Numbers, b: Numbers, distance: npt.NDArray[np.float64]) -> Links:
    return Links(np.minimum(a, b).astype(np.intp), np.maximum(a, b).astype(np.intp), np.asarray(distance, np.float64))
