"""From rows, fingerprints and features to the kinds of equality between rows, and to the record of an audit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.audit.equality import Equality, ExactGroups, NearPictures
from pipeline.audit.findings import COLUMN_KINDS
from pipeline.audit.fingerprint import MIN_CONTRAST
from pipeline.audit.near_pairs import NearPairs, cosine_pairs, hamming_pairs
from pipeline.audit.record import BYTES, FEATURES, PHASH, PIXELS, AuditInfo, AuditRecord
from pipeline.audit.rows import AuditedRows, Numbers
from pipeline.progress import OnProgress, silent

__all__ = ["AuditedPictures", "Thresholds", "column_equalities"]


@dataclass(frozen=True)
class Thresholds:
    """How near two pictures are at least that are reported.

    Parameters
    ----------
    max_bits : of 64 bits of the perceptual hash that differ
    min_cosine : of features
    """

    max_bits: int = 4
    min_cosine: float = 0.98


@dataclass(frozen=True, eq=False)
class AuditedPictures:
    """The pictures of N rows, and how they are equal.

    Parameters
    ----------
    rows : N rows
    kinds : that are searched for
    thresholds : of the near kinds
    fingerprints : `pixels`, `phash`, `contrast`, `reason` of `rows.items`, in order; None if no kind needs them
    features : float32, shape (items, D), of length 1, NaN where an item has none; None if no kind needs them
    """

    rows: AuditedRows
    kinds: Sequence[str]
    thresholds: Thresholds = field(default_factory=Thresholds)
    fingerprints: pd.DataFrame | None = None
    features: npt.NDArray[np.float32] | None = None

    @cached_property
    def of_item(self) -> Numbers:
        """The picture of each of `rows.items`: items of equal pixels show one, if pixels are compared."""
        n_items = len(self.rows.items)
        if PIXELS not in self.kinds or self.fingerprints is None:
            return np.arange(n_items)
        pixels = self.fingerprints["pixels"]
        undecoded = np.array([f"item {number}" for number in range(n_items)], object)
        return np.asarray(pd.factorize(np.where(pixels == "", undecoded, pixels.to_numpy(object)))[0], np.intp)

    @cached_property
    def picture(self) -> Numbers:
        """The picture of each row, shape (N,)."""
        return self.of_item[self.rows.item]

    @cached_property
    def _representatives(self) -> Numbers:
        """The first item of each picture."""
        return AuditedRows.first_rows(self.of_item)

    @cached_property
    def n_undecoded(self) -> int:
        """Pictures that cannot be decoded, and have no pixels and no hash."""
        return 0 if self.fingerprints is None else int((self.fingerprints["reason"] != "").sum())

    @cached_property
    def is_flat(self) -> npt.NDArray[np.bool_]:
        """The decoded pictures whose hash would be that of noise, by picture."""
        if self.fingerprints is None:
            return np.zeros(len(self._representatives), bool)
        prints = self.fingerprints.iloc[self._representatives]
        return ((prints["reason"] == "") & (prints["contrast"] < MIN_CONTRAST)).to_numpy(dtype=bool)

    @cached_property
    def n_without_feature(self) -> int:
        """Pictures that are compared by features and have none."""
        if self.features is None:
            return 0
        return int((~np.isfinite(self.features[self._representatives]).all(axis=1)).sum())

    def search(self, on_progress: OnProgress = silent) -> list[Equality]:
        """Every kind of equality, the strictest first.

        Raises
        ------
        ConfigError
            If there are more near pairs than a threshold can mean.
        """
        return list(self._search(on_progress))

    def _search(self, on_progress: OnProgress) -> Iterator[Equality]:
        if BYTES in self.kinds:
            yield ExactGroups(self.rows, BYTES, self.rows.file, self.rows.once_a_unit(self.rows.item))
        if PIXELS in self.kinds:
            yield ExactGroups(self.rows, PIXELS, self.picture, self.rows.once_a_unit(self.picture))
        if PHASH in self.kinds:
            yield self._near(PHASH, self._hash_pairs(on_progress))
        if FEATURES in self.kinds:
            yield self._near(FEATURES, self._feature_pairs(on_progress))

    def _near(self, kind: str, pairs: NearPairs) -> NearPictures:
        return NearPictures(self.rows, kind, self.picture, pairs.where(~self._of_one_clip(pairs)))

    def _hash_pairs(self, on_progress: OnProgress) -> NearPairs:
        assert self.fingerprints is not None
        prints = self.fingerprints.iloc[self._representatives]
        comparable = np.flatnonzero((prints["reason"] == "").to_numpy(dtype=bool) & ~self.is_flat)
        hashes = prints["phash"].to_numpy(np.uint64)[comparable]
        return hamming_pairs(hashes, self.thresholds.max_bits, on_progress).numbered(comparable)

    def _feature_pairs(self, on_progress: OnProgress) -> NearPairs:
        assert self.features is not None
        features = self.features[self._representatives]
        known = np.flatnonzero(np.isfinite(features).all(axis=1) & ~self.is_flat)
        return cosine_pairs(features[known], self.thresholds.min_cosine, on_progress).numbered(known)

    def _of_one_clip(self, pairs: NearPairs) -> npt.NDArray[np.bool_]:
        """The pairs of frames of one clip, which are near each other by nature."""
        items = self.rows.items.iloc[self._representatives]
        names = items["dataset"] + "\0" + items["clip"]
        clips = np.where(items["clip"] == "", -1 - np.arange(len(items)), pd.factorize(names)[0])
        return np.asarray(clips[pairs.first] == clips[pairs.second])

    def record(self, equalities: Sequence[Equality], info: AuditInfo) -> AuditRecord:
        """What `evaluate` needs to know: the pictures that are in several files or near others, and the near pairs."""
        near = [one for one in equalities if isinstance(one, NearPictures)]
        files = self.rows.items["sha256"]
        shown = pd.DataFrame({"sha256": files, "picture": self.of_item}).drop_duplicates()
        wanted = np.bincount(shown["picture"], minlength=len(self._representatives)) > 1
        for one in near:
            wanted[one.pairs.first] = wanted[one.pairs.second] = True
        pairs = [
            (first, second, one.kind, distance)
            for one in near
            for first, second, distance in zip(
                one.pairs.first.tolist(), one.pairs.second.tolist(), one.pairs.distance.tolist(), strict=True
            )
        ]
        chosen = shown[wanted[shown["picture"]]]
        return AuditRecord.of(zip(chosen["sha256"], chosen["picture"], strict=True), pairs, info)


def column_equalities(rows: AuditedRows) -> list[ExactGroups]:
    """People and clips that are in several splits of a dataset: one kind for each column that a table has."""
    return [
        ExactGroups(rows, column, _codes(rows.frame, column), np.full(len(rows), -1))
        for column in COLUMN_KINDS
        if (rows.frame[column] != "").any()
    ]


def _codes(frame: pd.DataFrame, column: str) -> Numbers:
    """A number per dataset and name; -1 where there is no name."""
    codes = pd.factorize(frame["dataset"] + "\0" + frame[column])[0]
    known = (frame[column] != "").to_numpy(dtype=bool)
    numbers = np.full(len(frame), -1, np.intp)
    numbers[known] = pd.factorize(codes[known])[0]
    return numbers
