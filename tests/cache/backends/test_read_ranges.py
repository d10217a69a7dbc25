"""Many ranges by one call of a backend: in any order, opened once, and with damage named by the range it is in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from cache.backends import read_ranges, zarr_store
from cache.backends.raw_rows import read_rows
from cache.errors import StoreDamagedError
from cache.shard_records import checksum
from cache.store import Store
from cache.testing.example import Example
from cache.threads import side_by_side

FIRST, SECOND, THIRD = range(4), range(4, 8), range(8, 10)  # the example's shards


def range_of(ends: tuple[int, int]) -> list[int]:
    return list(range(*ends))


@pytest.fixture(scope="module", params=["zarr", "h5"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Example().write(tmp_path_factory.mktemp("ranges") / f"example.{request.param}")


@given(ranges=st.lists(st.sampled_from([FIRST, SECOND, THIRD, range(1), range(3, 6)]), max_size=5))
def test_every_range_comes_back_in_the_asked_order(store: Store, ranges: list[range]) -> None:
    values = Example().values("tokens")[1]
    parts = read_ranges(store.backend, store.path, store.manifest.schema, "tokens", 1, ranges)
    assert [part.tobytes() for part, _crc in parts] == [values[rows.start : rows.stop].tobytes() for rows in ranges]


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
    assert len(read_ranges(store.backend, store.path, store.manifest.schema, "pooled", 0, [FIRST, THIRD])) == 2
    with pytest.raises(StoreDamagedError, match=f"{store.path}: rows 4-7 of pooled, view 0 cannot be read"):
        read_ranges(store.backend, store.path, store.manifest.schema, "pooled", 0, [FIRST, SECOND, THIRD])


@given(rows=st.lists(st.integers(0, 9), max_size=12) | st.tuples(st.integers(0, 10), st.integers(0, 10)).map(range_of))
def test_any_rows_are_read(store: Store, rows: list[int]) -> None:
    """In any order, repeated, or one after the other: whole shards, and parts of shards."""
    taken = np.array(rows, np.intp)
    assert store.read(taken).tobytes() == Example().values("pooled")[0][taken].tobytes()
    assert [part.at.stop - part.at.start for part in store.select().parts()] == [4, 4, 2]


def test_rows_in_any_order_are_read(store: Store) -> None:
    rows = np.array([9, 0, 1, 5, 4, 4])
    assert store.read(rows).tobytes() == Example().values("pooled")[0][rows].tobytes()


def test_checksums_are_those_of_the_bytes(store: Store) -> None:
    """Of whole shards, of a part of a chunk, and of rows over several chunks."""
    for rows in (FIRST, THIRD, range(1, 3), range(2, 9), range(10)):
        [(values, crc)] = read_ranges(store.backend, store.path, store.manifest.schema, "tokens", 1, [rows])
        assert crc == checksum(values)


def test_damage_of_two_shards_is_named_by_the_first(tmp_path: Path) -> None:
    """Several threads read: which of them fails first does not matter."""
    store = Example(n_rows=120).write(tmp_path / "example.zarr")
    for shard in (25, 3, 17, 8):
        (store.path / "pooled" / "c" / "0" / str(shard) / "0").write_bytes(b"short")
    for _ in range(5):
        with pytest.raises(StoreDamagedError, match="rows 12-15 of pooled, view 0 cannot be read"):
            store.read(np.arange(120))


def test_a_changed_checksum_of_zarr_is_damage(tmp_path: Path) -> None:
    """It protects the chunk from other readers: one that is wrong is reported though the numbers are right."""
    store = Example().write(tmp_path / "example.zarr")
    chunk = store.path / "pooled" / "c" / "0" / "1" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-1] + bytes([chunk.read_bytes()[-1] ^ 1]))
    with pytest.raises(StoreDamagedError, match=r"rows 4-7 of pooled, view 0 cannot be read .*CRC32C"):
        store.read(np.arange(10))


@pytest.mark.parametrize("kind", ["folder", "fifo", "longer"])
def test_what_is_no_chunk_is_damage(tmp_path: Path, kind: str) -> None:
    store = Example().write(tmp_path / "example.zarr")
    chunk = store.path / "pooled" / "c" / "0" / "1" / "0"
    data = chunk.read_bytes()
    chunk.unlink()
    {"folder": chunk.mkdir, "fifo": lambda: os.mkfifo(chunk), "longer": lambda: chunk.write_bytes(data + b"x")}[kind]()
    with pytest.raises(StoreDamagedError, match="rows 4-7 of pooled, view 0 cannot be read"):
        store.read(np.arange(10))


def test_chunks_that_another_program_compressed_are_read_by_zarr(tmp_path: Path) -> None:
    store = Example().write(tmp_path / "example.zarr")
    values = Example().values("pooled")
    shutil.rmtree(store.path / "pooled")
    zarr.create_array(
        store.path,
        name="pooled",
        data=values,
        chunks=(1, 4, 6),
        compressors=[zarr.codecs.ZstdCodec()],
        fill_value=np.nan,
    )
    assert store.read(np.arange(10)).tobytes() == values[0].tobytes()
    store.path.joinpath("pooled/c/0/2/0").unlink()
    with pytest.raises(StoreDamagedError, match="rows 8-9 of pooled"):
        store.read(np.arange(10))


def test_a_block_that_cannot_be_read_into_is_a_mistake(store: Store) -> None:
    with pytest.raises(ValueError, match="C-contiguous"):
        read_rows(0, 0, np.empty((4, 6), np.float16)[:, ::2])


def test_the_first_error_is_raised_however_many_threads_work() -> None:
    assert side_by_side(lambda item: item * item, range(100)) == [item * item for item in range(100)]
    assert side_by_side(abs, []) == []

    def fail(item: int) -> int:
        if item % 3 == 2:
            raise LookupError(item)
        return item

    for _ in range(20):
        with pytest.raises(LookupError, match=r"\A2\Z"):
            side_by_side(fail, range(50))
