"""All pairs of pictures that are near each other: by bits of a hash, or by the cosine of features. Exact, in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.audit.fingerprint import HASH_BITS
from pipeline.errors import ConfigError
from pipeline.progress import OnProgress, Progress, silent

__all__ = ["MAX_PAIRS", "NearPairs", "cosine_pairs", "hamming_pairs"]

MAX_PAIRS = 10_000_000
"""Of one search: more are no near-duplicates of photos, and would take gigabytes."""

Numbers = npt.NDArray[np.intp]

_BLOCK = 2**22  # comparisons at once: 32 MB of hashes
_ROUNDING = 1e-4  # of a float32 product of unit vectors; pairs that may reach the threshold are computed in float64


@dataclass(frozen=True, eq=False)
class NearPairs:
    """Pairs of items, each once.

    Parameters
    ----------
    first, second : shape (M,); first < second; sorted
    distance : float64, shape (M,): bits that differ, or 1 - cosine
    """

    first: Numbers
    second: Numbers
    distance: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.first)

    def where(self, mask: npt.NDArray[np.bool_]) -> NearPairs:
        """Some of the pairs."""
        return NearPairs(self.first[mask], self.second[mask], self.distance[mask])

    def numbered(self, numbers: Numbers) -> NearPairs:
        """The same pairs of items that have other, ascending numbers: item i becomes numbers[i]."""
        return NearPairs(numbers[self.first], numbers[self.second], self.distance)

    def components(self, n: int) -> Numbers:
        """The connected group of each of `n` items: items in no pair are groups of one."""
        edges = coo_array((np.ones(len(self), bool), (self.first, self.second)), shape=(n, n))
        return np.asarray(connected_components(edges, directed=False)[1], np.intp)


def hamming_pairs(hashes: npt.NDArray[np.uint64], max_bits: int, on_progress: OnProgress = silent) -> NearPairs:
    """All pairs of hashes that differ in at most `max_bits` of 64 bits.

    The bits are cut into `max_bits` + 1 bands. Two hashes that differ in no more bits than that are equal in one of
    them at least, so only hashes that share a band are compared: no pair is missed.

    Raises
    ------
    ConfigError
        If there are more than `MAX_PAIRS`.
    """
    bands, found, n_pairs = _bands(max_bits), [], 0
    for number, mask in enumerate(bands):
        done = number * len(hashes)
        for items in _sharing(hashes & mask):
            for pairs in _within(hashes, items, max_bits, bands[:number]):
                found.append(pairs)
                n_pairs = _checked(n_pairs + len(pairs), f"at most {max_bits} bits apart", "Lower max_bits")
            done += len(items)
            on_progress(Progress("compared hashes", done, len(bands) * len(hashes)))
        on_progress(Progress("compared hashes", (number + 1) * len(hashes), len(bands) * len(hashes)))
    return _sorted(found)


def _sharing(keys: npt.NDArray[np.uint64]) -> Iterator[Numbers]:
    """The items of each key that several have."""
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]])) if len(keys) else np.empty(0, np.intp)
    for start, stop in pairwise([*starts.tolist(), len(keys)]):
        if stop - start > 1:
            yield order[start:stop]


def _bands(max_bits: int) -> list[np.uint64]:
    edges = np.linspace(0, HASH_BITS, max_bits + 2).round().astype(int).tolist()
    return [np.uint64((1 << stop) - (1 << start)) for start, stop in pairwise(edges)]


def _within(
    hashes: npt.NDArray[np.uint64], items: Numbers, max_bits: int, earlier: list[np.uint64]
) -> Iterator[NearPairs]:
    """The pairs among some items that share a band, without those that share an earlier one, too."""
    values, step = hashes[items], max(1, _BLOCK // len(items))
    for start in range(0, len(items), step):
        differing = values[start : start + step, None] ^ values[None, start:]
        distance = np.bitwise_count(differing)
        at, other = np.nonzero(distance <= max_bits)
        upper = other > at
        at, other = at[upper], other[upper]
        bits = differing[at, other]
        new = np.ones(len(bits), bool)
        for mask in earlier:
            new &= (bits & mask) != 0
        yield _pairs(items[start + at[new]], items[start + other[new]], distance[at[new], other[new]])


def cosine_pairs(features: npt.NDArray[np.float32], min_cosine: float, on_progress: OnProgress = silent) -> NearPairs:
    """All pairs of rows whose cosine is at least `min_cosine`.

    Every row is compared with every other, in blocks of a matrix product: N^2 D operations.

    Parameters
    ----------
    features : shape (N, D), of length 1 each

    Raises
    ------
    ConfigError
        If there are more than `MAX_PAIRS`.
    """
    n, found, n_pairs = len(features), [], 0
    step = max(1, min(2048, 8 * _BLOCK // max(1, n)))
    for start in range(0, n, step):
        products = features[start : start + step] @ features[start:].T
        at, other = np.nonzero(products >= min_cosine - _ROUNDING)
        upper = other > at
        first, second = start + at[upper], start + other[upper]
        _checked(n_pairs + len(first), f"of a cosine of {min_cosine} or more", "Raise min_cosine")
        cosines = _cosines(features, first, second)
        near = cosines >= min_cosine
        found.append(_pairs(first[near], second[near], 1 - cosines[near]))
        n_pairs += int(near.sum())
        # Later blocks compare with fewer rows: progress is the share of the comparisons.
        stop = min(start + step, n)
        on_progress(Progress("compared features", n * n - (n - stop) ** 2, n * n))
    return _sorted(found)


def _cosines(features: npt.NDArray[np.float32], first: Numbers, second: Numbers) -> npt.NDArray[np.float64]:
    """In float64, a block of pairs at a time: the result does not depend on how a product was cut."""
    step = max(1, _BLOCK // max(1, features.shape[1]))
    parts = []
    for start in range(0, len(first), step):
        a, b = (features[rows[start : start + step]].astype(np.float64) for rows in (first, second))
        lengths = np.sqrt(np.vecdot(a, a) * np.vecdot(b, b))
        parts.append(np.minimum(np.vecdot(a, b) / np.maximum(lengths, np.finfo(np.float64).tiny), 1.0))
    return np.concatenate([np.empty(0), *parts])


def _checked(n_pairs: int, what: str, advice: str) -> int:
    if n_pairs > MAX_PAIRS:
        raise ConfigError(
            f"expected at most {MAX_PAIRS:,} pairs of near-duplicates, found more {what}: that is no threshold for "
            f"these pictures. {advice}"
        )
    return n_pairs


def _pairs(a: Numbers, b: Numbers, distance: npt.NDArray[np.generic]) -> NearPairs:
    return NearPairs(np.minimum(a, b), np.maximum(a, b), distance.astype(np.float64))


def _sorted(found: list[NearPairs]) -> NearPairs:
    empty = np.empty(0, np.intp)
    first = np.concatenate([empty, *(pairs.first for pairs in found)])
    second = np.concatenate([empty, *(pairs.second for pairs in found)])
    distance = np.concatenate([np.empty(0), *(pairs.distance for pairs in found)])
    order = np.lexsort((second, first))
    return NearPairs(first[order], second[order], distance[order])
