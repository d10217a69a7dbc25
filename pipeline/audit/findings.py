"""What is equal within a split, across splits and across datasets, in counts, and the pairs behind the counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.audit.equality import Equality, Links
from pipeline.audit.rows import AuditedRows, Numbers, Place
from pipeline.tables.samples import SPLITS

__all__ = ["COLUMN_KINDS", "Comparison", "Finding", "compare"]

COLUMN_KINDS = ("subject", "clip")
_PAIR_COLUMNS = ("dataset", "split", "id", "label", "path")


@dataclass(frozen=True)
class Finding:
    """Rows of one split that have an equal in another one, or in the same.

    Parameters
    ----------
    kind : bytes, pixels, phash or features; subject or clip: the same person or clip
    dataset, split, other_dataset, other_split : where the rows are, and where their equals
    groups : of equal pictures, people or clips that the rows belong to
    pictures : rows of `split` with an equal in `other_split`, and with none there of a stricter kind; in a dataset of
        clips those with such a frame
    share : of the usable rows, or clips, of `split`, in (0, 1]
    other_pictures : rows of `other_split` with an equal in `split`, in the same way
    conflicts : of `pictures`, those with an equal that has another label; 0 for people and clips, whose labels differ
    """

    kind: str
    dataset: str
    split: str
    other_dataset: str
    other_split: str
    groups: int
    pictures: int
    share: float
    other_pictures: int
    conflicts: int

    @property
    def where(self) -> str:
        """`within a split`, `across splits` or `across datasets`."""
        if self.dataset != self.other_dataset:
            return "across datasets"
        return "across splits" if self.split != self.other_split else "within a split"


@dataclass(frozen=True, eq=False)
class Comparison:
    """N rows compared by several kinds of equality.

    Parameters
    ----------
    rows : N rows
    kinds : the strictest first
    strictest : int8, shape (N, P): number of the strictest kind by which a row has an equal at a place; -1: it has none
    conflicting : bool, shape (N, P): whether such an equal has another label
    """

    rows: AuditedRows
    kinds: tuple[Equality, ...]
    strictest: npt.NDArray[np.int8]
    conflicting: npt.NDArray[np.bool_]

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """By kind, then by place; what does not occur is left out."""
        return tuple(self._findings())

    def _findings(self) -> Iterator[Finding]:
        places = self.rows.places
        for number, kind in enumerate(self.kinds):
            pictures, conflicts, groups = self._counts(number, kind)
            for a, b in _place_pairs(places):
                if pictures[a, b] or pictures[b, a]:
                    yield Finding(
                        kind.kind,
                        *(places[a].dataset, places[a].split, places[b].dataset, places[b].split),
                        groups=int(max(groups[a, b], groups[b, a])),
                        pictures=int(pictures[a, b]),
                        share=float(pictures[a, b] / places[a].n),
                        other_pictures=int(pictures[b, a]),
                        conflicts=int(conflicts[a, b]),
                    )

    def _counts(self, number: int, kind: Equality) -> tuple[Numbers, Numbers, Numbers]:
        """Units, units in conflict, and groups of rows, of each place with an equal at each place: (P, P) each."""
        n, place = len(self.rows.places), self.rows.place
        counts = np.zeros((3, n, n), np.intp)
        n_groups = int(kind.group.max(initial=-1)) + 1
        for other in range(n):
            hit = self.strictest[:, other] == number
            counts[0, :, other] = self._n_units(hit)
            counts[1, :, other] = self._n_units(hit & self.conflicting[:, other])
            hit_groups = np.unique(place[hit] * n_groups + kind.group[hit])
            counts[2, :, other] = np.bincount(hit_groups // max(n_groups, 1), minlength=n)
        return counts[0], counts[1], counts[2]

    def _n_units(self, rows: npt.NDArray[np.bool_]) -> Numbers:
        """How many units some rows are of, at each place: (P,)."""
        units = np.unique(self.rows.unit[rows])
        return np.bincount(self.rows.place[units], minlength=len(self.rows.places))

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """One row per pair of rows: `kind`, `distance` (bits, or 1 - cosine), `dataset`, `split`, `id`, `label`, `path`
        of both (`other_...` of the second), and `conflict`: whether their labels contradict each other.

        Of exact kinds, each row is paired with the first of its equals in every split; of near kinds, every pair of
        pictures is listed, by its first rows in every two splits.
        """
        parts = [self._pairs(number, kind) for number, kind in enumerate(self.kinds)]
        return pd.concat([self._described(Links.joined([], 0), ""), *parts], ignore_index=True)

    def _pairs(self, number: int, kind: Equality) -> pd.DataFrame:
        hits = (self.strictest[:, place] == number for place in range(len(self.rows.places)))
        links = Links.joined((kind.links(place, hit) for place, hit in enumerate(hits) if hit.any()), len(self.rows))
        return self._described(links, kind.kind)

    def _described(self, links: Links, kind: str) -> pd.DataFrame:
        """The rows of `pairs`: the one that is further from training comes first."""
        a, b = links.first, links.second
        rank = np.array([SPLITS.index(place.split) for place in self.rows.places], np.intp)[self.rows.place]
        swapped = rank[b] > rank[a]
        a, b = np.where(swapped, b, a), np.where(swapped, a, b)
        columns = {"kind": pd.Series(kind, range(len(a)), dtype="str"), "distance": links.distance}
        frame = self.rows.frame
        for prefix, rows in (("", a), ("other_", b)):
            columns |= {f"{prefix}{name}": frame[name].iloc[rows].reset_index(drop=True) for name in _PAIR_COLUMNS}
        allowed = self.rows.comparable[self.rows.place[a], self.rows.place[b]]
        bits = self.rows.label_bit
        both = ((bits[a] & allowed) != 0) & ((bits[b] & allowed) != 0)
        return pd.DataFrame({**columns, "conflict": both & (bits[a] != bits[b])})


def compare(rows: AuditedRows, kinds: Sequence[Equality]) -> Comparison:
    """Compare all rows by kinds of equality, the strictest first.

    A row that has an equal at a place by one kind is not counted there again by a looser one.
    """
    n, n_places = len(rows), len(rows.places)
    strictest, conflicting = np.full((n, n_places), -1, np.int8), np.zeros((n, n_places), bool)
    for place in range(n_places):
        allowed = rows.comparable[rows.place, place]
        own = rows.label_bit & allowed
        for number, kind in enumerate(kinds):
            open_ = strictest[:, place] < 0
            labels = np.where(open_, kind.labels_at(place), np.uint64(0))
            hit = labels != 0
            strictest[hit, place] = number
            if kind.kind not in COLUMN_KINDS:
                conflicting[:, place] |= hit & (own != 0) & ((labels & allowed & ~own) != 0)
    return Comparison(rows, tuple(kinds), strictest, conflicting)


def _place_pairs(places: Sequence[Place]) -> Iterator[tuple[int, int]]:
    """Every two places once, and each with itself: the one that is further from training first."""
    for a in range(len(places)):
        for b in range(a, len(places)):
            yield (b, a) if SPLITS.index(places[b].split) > SPLITS.index(places[a].split) else (a, b)
