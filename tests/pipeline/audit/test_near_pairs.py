"""Near pairs are all found, whatever the bands and blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audit import near_pairs
from pipeline.audit.near_pairs import NearPairs, cosine_pairs, hamming_pairs
from pipeline.errors import ConfigError
from pipeline.progress import Progress


def rows(pairs: NearPairs) -> list[tuple[int, int, float]]:
    return list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.distance.tolist(), strict=True))


@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=12),
    st.lists(st.lists(st.integers(0, 63), max_size=9), max_size=12),
    st.integers(0, 16),
)
def test_all_hashes_within_a_distance_are_found(hashes: list[int], flipped: list[list[int]], max_bits: int) -> None:
    """Random hashes, and copies of the first ones with some bits flipped, against every pair compared."""
    copies = [base ^ sum(1 << bit for bit in set(bits)) for base, bits in zip(hashes, flipped, strict=False)]
    every = hashes + copies
    expected = [
        (i, j, float((every[i] ^ every[j]).bit_count()))
        for i in range(len(every))
        for j in range(i + 1, len(every))
        if (every[i] ^ every[j]).bit_count() <= max_bits
    ]
    assert rows(hamming_pairs(np.array(every, np.uint64), max_bits)) == expected


def test_blocks_do_not_change_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**6, 200, np.uint64)
    features = rng.normal(size=(200, 3)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    whole = rows(hamming_pairs(hashes, 2)), rows(cosine_pairs(features, 0.95))
    monkeypatch.setattr(near_pairs, "_BLOCK", 64)
    assert (rows(hamming_pairs(hashes, 2)), rows(cosine_pairs(features, 0.95))) == whole
    assert all(whole)


def test_all_rows_above_a_cosine_are_found() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(60, 4))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    pairs = rows(cosine_pairs(features.astype(np.float32), 0.9))
    expected = [(i, j) for i in range(60) for j in range(i + 1, 60) if features[i] @ features[j] >= 0.9]
    assert [pair[:2] for pair in pairs] == expected
    assert all(abs(1 - features[i] @ features[j] - distance) < 1e-6 for i, j, distance in pairs)


def test_chains_are_one_group_and_single_items_groups_of_one() -> None:
    groups = hamming_pairs(np.array([0b0, 0b1, 0b11, 0xFF00], np.uint64), 1).components(4)
    assert groups[0] == groups[1] == groups[2] != groups[3]


def test_too_many_pairs_are_an_error_before_they_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_pairs, "MAX_PAIRS", 40)
    with pytest.raises(ConfigError, match="expected at most 40 pairs"):
        hamming_pairs(np.zeros(10, np.uint64), 4)
    with pytest.raises(ConfigError, match="expected at most 40 pairs"):
        cosine_pairs(np.ones((10, 1), np.float32), 0.9)
    assert len(hamming_pairs(np.zeros(9, np.uint64), 4)) == 36


def test_nothing_has_no_pairs() -> None:
    assert not len(hamming_pairs(np.empty(0, np.uint64), 4))
    assert not len(cosine_pairs(np.empty((0, 8), np.float32), 0.9))


def test_progress_ends_with_all() -> None:
    steps: list[Progress] = []
    hamming_pairs(np.arange(50, dtype=np.uint64), 3, steps.append)
    assert (steps[-1].done, steps[-1].total) == (200, 200)
    cosine_pairs(np.ones((5, 2), np.float32), 0.5, steps.append)
    assert (steps[-1].done, steps[-1].total) == (25, 25)
