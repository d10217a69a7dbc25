"""Stores of every version open for ever, and hold what they held."""

from __future__ import annotations

from pathlib import Path

import make_store_v1 as v1
import numpy as np
import pytest

from cache.keys import StoreKey
from cache.store import Store, open_store
from cache.testing.raw import tree_bytes
from cache.upkeep.integrity import verify

GOLDEN = Path(__file__).parent


@pytest.fixture(params=[".zarr", ".h5"])
def store(request: pytest.FixtureRequest) -> Store:
    return open_store(GOLDEN / f"store-v1{request.param}")


def test_every_value_is_what_it_was(store: Store) -> None:
    for array in v1.ARRAYS:
        for view in range(v1.N_VIEWS):
            found = store.read(np.arange(v1.N_ROWS), array.name, view)
            assert found.dtype == array.dtype
            assert found.tobytes() == v1.values(array)[view].tobytes()


def test_every_column_is_what_it_was(store: Store) -> None:
    assert set(store.frame) == set(v1.COLUMNS)
    for name, values in v1.COLUMNS.items():
        found = store.frame[name].to_numpy()
        np.testing.assert_array_equal(found, values)
        assert found.dtype == values.dtype


def test_what_it_says_of_itself_is_what_it_was(store: Store) -> None:
    assert store.manifest.rejected == v1.REJECTED
    assert store.manifest.schema == v1.SCHEMA
    assert (store.dataset, store.classes) == ("golden", ("surprise", "fear", "neutral"))
    assert store.manifest.provenance == v1.PROVENANCE


def test_its_key_is_the_same_for_ever(store: Store) -> None:
    """A key that changes for equal fields makes every store of every user stale."""
    assert store.key == "4399593641272cf3bcf5952403b0d719a9912f0fea2a2bf881412ab7a4592c5e"
    assert StoreKey.from_fields(store.manifest.key_fields).digest == v1.KEY.digest == store.key


def test_it_is_whole(store: Store) -> None:
    assert verify(store) == []


@pytest.mark.parametrize("ending", [".zarr", ".h5"])
def test_the_script_still_makes_the_same_features(tmp_path: Path, ending: str) -> None:
    v1.write(tmp_path / f"store-v1{ending}")
    made, golden = (open_store(folder / f"store-v1{ending}") for folder in (tmp_path, GOLDEN))
    assert made.manifest.arrays == golden.manifest.arrays


def test_the_stores_are_small() -> None:
    assert sum(len(data) for data in tree_bytes(GOLDEN).values()) < 200_000
