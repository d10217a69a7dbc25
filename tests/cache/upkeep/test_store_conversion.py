"""convert: another file format, the same store bit for bit; it can be stopped, and destroys nothing."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from cache.errors import SchemaError, StorageError, StoreDamagedError, StoreIncompleteError, StoreLockedError
from cache.places import as_path
from cache.places.lock import exclusive, lock_path
from cache.store import Store, open_store
from cache.testing.example import Example
from cache.testing.raw import tree_bytes
from cache.upkeep.conversion import convert
from cache.upkeep.integrity import verify
from cache.writing.unfinished import building_folder
from cache.writing.writer import StoreWriter

SUFFIXES = [".zarr", ".h5"]


@pytest.fixture
def source(tmp_path: Path) -> Store:
    return Example().write(tmp_path / "source.zarr")


@pytest.mark.parametrize(
    ("first", "second"), [*itertools.permutations(SUFFIXES, 2), (".zarr", ".zarr"), (".h5", ".h5")]
)
def test_there_and_back_every_byte_is_equal(tmp_path: Path, first: str, second: str) -> None:
    source = Example().write(tmp_path / f"source{first}")
    assert convert(source, tmp_path / f"there{second}") == 3
    there = open_store(tmp_path / f"there{second}")
    assert there.manifest == source.manifest
    assert verify(there) == []
    convert(there, tmp_path / f"back{first}")
    convert(open_store(tmp_path / f"back{first}"), tmp_path / f"again{second}")
    assert tree_bytes(tmp_path / f"again{second}") == tree_bytes(tmp_path / f"there{second}")
    if first == ".zarr":
        assert tree_bytes(tmp_path / f"back{first}") == tree_bytes(tmp_path / f"source{first}")


def test_a_store_can_be_carried_to_an_object_store_and_back(source: Store, tmp_path: Path) -> None:
    away = as_path("memory://test_store_conversion/some-encoder/example.zarr")
    convert(source, away)
    convert(open_store(away), tmp_path / "back.zarr")
    assert isinstance(source.path, Path)
    assert tree_bytes(tmp_path / "back.zarr") == tree_bytes(source.path)


def test_a_second_conversion_writes_nothing(source: Store, tmp_path: Path) -> None:
    target = tmp_path / "target.h5"
    convert(source, target)
    before = _written(target)
    assert convert(source, target) == 0
    assert _written(target) == before


def _written(path: Path) -> tuple[int, ...]:
    """Which file is there, and when it was written; reading it changes its access time only."""
    found = os.stat(path)
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_stopped_conversion_resumes(source: Store, tmp_path: Path, suffix: str) -> None:
    def stop(done: int, _n: int) -> None:
        if done == 2:
            raise StoppedError

    target, expected = tmp_path / f"target{suffix}", tmp_path / f"whole{suffix}"
    with pytest.raises(StoppedError):
        convert(source, target, stop)
    with pytest.raises(StoreIncompleteError, match=r"conversion stopped after 2 of 3 shards\. Convert the same"):
        open_store(target)
    calls: list[tuple[int, int]] = []
    assert convert(source, target, on_shard=lambda done, n: calls.append((done, n))) == 1
    assert calls == [(1, 1)]
    convert(source, expected)
    assert tree_bytes(target) == tree_bytes(expected)


def test_shards_that_an_encoder_made_with_other_bits_are_not_taken(source: Store, tmp_path: Path) -> None:
    """Equal keys mean equal features up to rounding; a copy is equal bit for bit."""
    target, example = tmp_path / "target.h5", Example()
    writer = StoreWriter(target, example.key, example.schema)
    blocks = example.blocks(0)
    blocks["pooled"][0, 0, 0] += 1
    writer.put(0, blocks, example.rejected(0))
    writer.put(1, example.blocks(1), example.rejected(1))
    assert convert(source, target) == 2
    assert open_store(target).manifest == source.manifest


def test_other_features_are_never_replaced(source: Store, tmp_path: Path) -> None:
    target = tmp_path / "target.h5"
    Example(seed=1).write(target)
    before = target.read_bytes()
    with pytest.raises(StorageError, match=r"target\.h5: expected nothing or an earlier copy .* found other features"):
        convert(source, target)
    assert target.read_bytes() == before


def test_another_unfinished_store_there_is_not_removed(source: Store, tmp_path: Path) -> None:
    target, other = tmp_path / "target.h5", Example(seed=1)
    writer = StoreWriter(target, other.key, other.schema)
    other.put(writer, [0])
    with pytest.raises(StoreIncompleteError, match=r"1 of 3 shards.*by the same extraction, or remove") as found:
        convert(source, target)
    assert found.value.remedy == [("store gc", {"root": str(tmp_path), "unfinished": True})]
    assert found.value.purpose == "to remove it"
    assert other.begin(target).pending == [1, 2]


def test_other_columns_are_brought_up_to_date(source: Store, tmp_path: Path) -> None:
    target = tmp_path / "target.h5"
    convert(source, target)
    newer = Example(generation=1).write(tmp_path / "newer.zarr")
    convert(newer, target)
    assert open_store(target).manifest == newer.manifest


def test_a_damaged_source_leaves_the_target_as_it_was(source: Store, tmp_path: Path) -> None:
    target = tmp_path / "target.h5"
    convert(source, target)
    before = target.read_bytes()
    newer = Example(generation=1).write(tmp_path / "newer.zarr")
    (tmp_path / "newer.zarr" / "tokens" / "c" / "1" / "2" / "0" / "0").write_bytes(b"damaged")
    with pytest.raises(StoreDamagedError, match="rows 8-9 of tokens, view 1"):
        convert(newer, target)
    assert target.read_bytes() == before


def test_a_path_that_another_process_writes_is_refused(source: Store, tmp_path: Path) -> None:
    target = tmp_path / "target.h5"
    with exclusive(lock_path(target)), pytest.raises(StoreLockedError):
        convert(source, target)
    assert not building_folder(target).exists()


def test_a_target_that_cannot_be_is_refused(source: Store, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="ends with one of"):
        convert(source, tmp_path / "target")
    with pytest.raises(StorageError, match="another path than the store's own"):
        convert(source, source.path)
