"""Rows that a head knows from its training are each counted once."""

from __future__ import annotations

import numpy as np

from stages.workflows.overlap import Overlap


def test_a_row_that_is_in_train_and_val_is_counted_once() -> None:
    """Four rows: in train, in both, in val, in none. Three are known, and the counts add up to three."""
    train, val = np.array([True, True, False, False]), np.array([False, True, True, False])
    overlap = Overlap(train, val, train)
    assert overlap.counts(np.ones(4, bool)) == {"train": 2, "val": 1}
    assert int(overlap.known.sum()) == 3
    assert overlap.counts(np.array([False, True, True, True])) == {"train": 1, "val": 1}
