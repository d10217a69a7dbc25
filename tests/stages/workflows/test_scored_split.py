"""A split that many heads are scored on is read from its store once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from cache.errors import CacheError
from cache.store import Store
from cache.testing.example import Example
from stages.workflows.scored_split import Budget, ScoredSplit, scored_split
from stages.workflows.unit_source import unit_source


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Example().write(tmp_path / "features" / "encoder" / "example.zarr")


def split_of(store: Store, budget: Budget | None = None) -> ScoredSplit:
    return scored_split(unit_source(store), "test", budget or Budget())


def test_what_was_read_is_not_read_again(store: Store) -> None:
    split = split_of(store)
    expected = store.features("test", "pixels"), store.labels("test"), store.ids("test"), store.rejected("test")
    first = split.features("test", "pixels")
    assert split.rejected("test") == expected[3]
    shutil.rmtree(store.path)
    assert split.features("test", "pixels") is first
    assert np.array_equal(first, expected[0])
    assert np.array_equal(split.labels("test"), expected[1])
    assert np.array_equal(split.ids("test"), expected[2])
    assert split.rejected("test") == expected[3]


def test_features_of_one_head_are_not_changed_for_the_next(store: Store) -> None:
    values = split_of(store).features("test")
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 0


def test_what_does_not_fit_into_the_budget_is_read_each_time(store: Store) -> None:
    size = store.features("test").nbytes
    budget = Budget(2 * size - 1)
    first, second = (split_of(store, budget) for _ in range(2))
    assert first.features("test") is first.features("test")
    assert second.features("test") is not second.features("test")
    shutil.rmtree(store.path)
    assert len(first.features("test"))
    with pytest.raises((CacheError, OSError)):
        second.features("test")
