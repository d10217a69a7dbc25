"""Memory-mapped copies of features: built once, whole or absent, named by their content."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import cache.mmap_copies
from cache.errors import StorageError, StoreDamagedError
from cache.mmap_format import mmap_files, mmap_folder
from cache.places import as_path
from cache.selection import Selection
from cache.store import Store, open_store
from cache.testing.example import Example
from cache.testing.raw import DiskBlobs
from cache.writing.writer import StoreWriter

EXAMPLE = Example()


class _Usage(NamedTuple):
    free: int


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return EXAMPLE.write(tmp_path / "features" / "encoder" / "example.zarr")


def _copies(store: Store) -> list[str]:
    return sorted(path.name for path in (store.path.parent.parent / ".hot").iterdir())


@pytest.mark.parametrize("output", ["pooled", "tokens", "pixels"])
def test_a_copy_is_the_features_mapped_and_read_only(store: Store, output: str) -> None:
    chosen = store.select("split == 'train'", output=output, view=1)
    mapped = chosen.memmap()
    assert isinstance(mapped, np.memmap)
    expected = chosen.numpy()
    assert (mapped.dtype, mapped.shape, mapped.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 0


def test_it_is_built_once_and_another_one_for_anything_else(store: Store) -> None:
    store.select().memmap()
    before = _copies(store)
    stamp = (store.path.parent.parent / ".hot" / before[0]).stat().st_mtime_ns
    open_store(store.path).select().memmap()
    assert _copies(store) == before
    assert (store.path.parent.parent / ".hot" / before[0]).stat().st_mtime_ns == stamp
    store.select(view=1).memmap()
    store.select(output="tokens").memmap()
    store.select("split == 'test'").memmap()
    assert len(_copies(store)) == 4


def test_features_that_changed_get_a_copy_of_their_own(store: Store) -> None:
    store.select().memmap()
    other = EXAMPLE.other(seed=1).write(store.path)
    assert other.select().memmap().tobytes() == other.select().numpy().tobytes()
    assert [(path.name, key) for path, key in mmap_files(store.path.parent.parent)] == [
        (name, name[:64]) for name in _copies(store)
    ]
    assert {key for _, key in mmap_files(store.path.parent.parent)} == {store.key, other.key}


def test_other_features_of_the_same_key_get_a_copy_of_their_own(store: Store) -> None:
    """Another device rounds otherwise; the key does not know it."""
    before = store.select().memmap().tobytes()
    writer = StoreWriter(store.path, EXAMPLE.key, EXAMPLE.schema)
    EXAMPLE.other(seed=1).put(writer, writer.pending)
    other = EXAMPLE.finish(writer)
    assert other.key == store.key
    assert other.select().memmap().tobytes() == other.select().numpy().tobytes() != before


def test_no_rows_are_mapped_too(store: Store) -> None:
    assert store.select("label == 'none'").memmap().shape == (0, 6)


def test_a_copy_that_was_cut_short_is_built_again(store: Store) -> None:
    expected = store.select().memmap().tobytes()
    (path, _), *_ = mmap_files(store.path.parent.parent)
    np.save(path.with_name("other"), np.ones(3, np.float16))
    other = path.with_name("other.npy").read_bytes()
    for damage in (path.read_bytes()[:-1], b"", b"\x93NUMPY", other):
        path.unlink()
        path.write_bytes(damage)
        assert store.select().memmap().tobytes() == expected


def test_a_damaged_store_gives_no_copy(store: Store) -> None:
    chunk = sorted((store.path / "pooled" / "c" / "0").rglob("*"))[-1]
    chunk = chunk if chunk.is_file() else next(path for path in chunk.rglob("*") if path.is_file())
    with DiskBlobs().extent(str(chunk)).flipped(0), pytest.raises(StoreDamagedError):
        store.select().memmap()
    assert _copies(store) == []


def test_too_little_room_is_found_before_anything_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.mmap_copies.shutil, "disk_usage", lambda path: _Usage(100))
    with pytest.raises(StorageError, match=r"needs 1\.2e-07 GB in .*\.hot, 1e-07 GB are free there"):
        store.select().memmap()
    assert not (store.path.parent.parent / ".hot").exists()


def test_a_folder_can_be_named(store: Store, tmp_path: Path) -> None:
    store.select().memmap(tmp_path / "fast disk")
    assert len(list((tmp_path / "fast disk").iterdir())) == 1


def test_where_copies_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert mmap_folder(Path("features/encoder/faces.zarr")) == tmp_path / "features" / ".hot"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert mmap_folder(as_path("memory://features/encoder/faces.zarr")) == tmp_path / "caches" / "fer-stage" / ".hot"


def _copy(store: Store) -> bytes:
    return bytes(store.select().memmap().tobytes())


def test_two_processes_may_build_one_copy(store: Store) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = [pool.apply_async(_copy, (store,)) for _ in range(2)]
        assert [result.get(timeout=60) for result in found] == [store.select().numpy().tobytes()] * 2
    assert len(_copies(store)) == 1


def test_features_are_in_ram_up_to_a_budget_and_mapped_beyond(store: Store) -> None:
    rows = store.select("split == 'train' and status == 'ok'")
    in_ram = store.features("train", "tokens", 1, budget_bytes=10**6)
    mapped = store.features("train", "tokens", 1, budget_bytes=len(rows) * 60 - 1)
    assert not isinstance(in_ram, np.memmap)
    assert isinstance(mapped, np.memmap)
    assert in_ram.tobytes() == mapped.tobytes()
    assert not isinstance(store.features("train"), np.memmap)  # by default what is free decides


def test_selections_are_pickled_without_features(store: Store) -> None:
    chosen: Selection = pickle.loads(pickle.dumps(store.select("split == 'test'")))
    assert chosen.memmap().tobytes() == chosen.numpy().tobytes()
