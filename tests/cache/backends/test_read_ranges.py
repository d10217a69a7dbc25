"""Many ranges by one call of a backend: in any order, opened once, and with damage named by the range it is in."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.backends import zarr_store
from cache.errors import StoreDamagedError
from cache.store import Store
from cache.testing.example import Example

FIRST, SECOND, THIRD = range(4), range(4, 8), range(8, 10)  # the example's shards


@pytest.fixture(scope="module", params=["zarr", "h5"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Example().write(tmp_path_factory.mktemp("ranges") / f"example.{request.param}")


@given(ranges=st.lists(st.sampled_from([FIRST, SECOND, THIRD, range(1), range(3, 6)]), max_size=5))
def test_every_range_comes_back_in_the_asked_order(store: Store, ranges: list[range]) -> None:
    values = Example().values("tokens")[1]
    parts = store.backend.read_ranges(store.path, store.manifest.schema, "tokens", 1, ranges)
    assert [part.tobytes() for part in parts] == [values[rows.start : rows.stop].tobytes() for rows in ranges]


def test_a_full_read_opens_the_store_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    for library, name in ((h5py, "File"), (zarr_store, "array_metadata")):
        opener = getattr(library, name)
        monkeypatch.setattr(library, name, lambda *a, _open=opener, **k: opened.append(a) or _open(*a, **k))
    store.read(np.arange(10))
    assert len(opened) == 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see the open files")
def test_no_file_is_open_between_two_blocks(store: Store) -> None:
    """A reader may be forked there; HDF5 gives wrong numbers through a file that two processes share."""
    blocks = store.select().blocks()
    next(blocks)
    held = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert not [name for name in held if str(store.path) in name]
    assert len(list(blocks)) == 2


def test_what_cannot_be_read_is_named_though_its_neighbours_are_read_with_it(tmp_path: Path) -> None:
    store = Example().write(tmp_path / "example.zarr")
    (store.path / "pooled" / "c" / "0" / "1" / "0").write_bytes(b"short")
    assert len(store.backend.read_ranges(store.path, store.manifest.schema, "pooled", 0, [FIRST, THIRD])) == 2
    with pytest.raises(StoreDamagedError, match=f"{store.path}: rows 4-7 of pooled, view 0 cannot be read"):
        store.backend.read_ranges(store.path, store.manifest.schema, "pooled", 0, [FIRST, SECOND, THIRD])


def test_rows_in_any_order_are_read(store: Store) -> None:
    rows = np.array([9, 0, 1, 5, 4, 4])
    assert store.read(rows).tobytes() == Example().values("pooled")[0][rows].tobytes()
