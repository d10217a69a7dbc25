"""A memory-mapped copy is compared with its store before it is used, whoever wrote it."""

from __future__ import annotations

import json
import logging
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mutations import mutations

from cache.errors import StorageError
from cache.mmap_format import mmap_files
from cache.store import Store, open_store
from cache.testing.example import Example
from cache.upkeep.integrity import verify
from stages.cli import run

EXAMPLE = Example(n_rows=40, shard_rows=8)
WHOLE = None  # selects all rows: every shard is in the copy as a whole
PARTS = "status == 'ok' and id != 'x'"  # some rows of each shard


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return EXAMPLE.write(tmp_path / "features" / "encoder" / "example.zarr")


def made(store: Store, where: str | None = WHOLE, output: str = "pooled", view: int = 0) -> Path:
    """The one memory-mapped copy of a store."""
    store.select(where, output=output, view=view).memmap()
    [(path, _)] = mmap_files(store.path.parent.parent)
    return path


def used(store: Store, where: str | None = WHOLE, output: str = "pooled", view: int = 0) -> None:
    """A copy that is opened is what the store holds."""
    chosen = open_store(store.path).select(where, output=output, view=view)
    copy = chosen.memmap()
    assert isinstance(copy, np.memmap)
    assert copy.tobytes() == chosen.numpy().tobytes()


@pytest.mark.parametrize("where", [WHOLE, PARTS, "split == 'train'"])
@pytest.mark.parametrize(("output", "view"), [("pooled", 0), ("tokens", 1)])
def test_a_flipped_bit_anywhere_in_a_copy_is_seen_and_the_copy_made_again(
    store: Store, caplog: pytest.LogCaptureFixture, where: str | None, output: str, view: int
) -> None:
    path = made(store, where, output, view)
    right = path.read_bytes()
    for place in (0, 60, 130, len(right) // 2, len(right) - 200, len(right) - 60, len(right) - 1):
        wrong = bytearray(right)
        wrong[place] ^= 4
        path.write_bytes(wrong)
        caplog.clear()
        used(store, where, output, view)
        assert f"{path} is created again" in caplog.text
        assert path.read_bytes() == right


def test_a_copy_that_is_right_is_not_made_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    path = made(store, PARTS)
    path.write_bytes(path.read_bytes())  # as if another process had made it
    before = path.stat().st_ino
    used(store, PARTS)
    assert path.stat().st_ino == before
    assert not caplog.records


def test_a_copy_of_other_features_under_the_right_name_is_not_used(store: Store, tmp_path: Path) -> None:
    path = made(store, PARTS)
    other = made(EXAMPLE.other(seed=1).write(tmp_path / "other" / "encoder" / "example.zarr"), PARTS)
    path.write_bytes(other.read_bytes())
    used(store, PARTS)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)  # sparse: it takes no room


def _pickled(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)


def _only_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps([1, 2]))


def _archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, x=np.ones(3))


def _earlier_version(path: Path) -> None:
    np.save(path, np.ones((40, 6), np.float16))


def _link_to_nothing(path: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


@pytest.mark.parametrize("put", [_pipe, _endless, _pickled, _only_pickle, _archive, _earlier_version, _link_to_nothing])
def test_whatever_else_has_the_name_of_a_copy_is_replaced(store: Store, put: Callable[[Path], None]) -> None:
    path = made(store)
    path.unlink()
    put(path)
    start = time.perf_counter()
    used(store)
    assert time.perf_counter() - start < 5
    assert path.is_file()
    assert not path.is_symlink()


def test_a_folder_in_the_place_of_a_copy_is_named(store: Store) -> None:
    path = made(store)
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError, match=path.name):
        store.select().memmap()


def test_verify_reads_memory_mapped_copies(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(store, PARTS)
    assert verify(store) == []
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)
    [problem] = verify(store)
    assert (problem.kind, problem.where, problem.is_damage) == ("copy", str(path), False)
    assert "of pooled, view 0, are not those of the store" in problem.what
    assert run(["store", "verify", str(store.path)]) == 3
    assert "Delete the files above: they are created again when they are needed" in capsys.readouterr().err
    path.unlink()
    assert run(["store", "verify", str(store.path)]) == 0


def test_verify_names_files_that_no_reader_would_use(store: Store) -> None:
    path = made(store)
    data = path.read_bytes()
    strange = path.with_name(f"{store.key}.0123456789abcdef.npy")
    strange.write_bytes(data)
    path.write_bytes(data[:-16])
    found = verify(store)
    assert {(problem.kind, problem.where) for problem in found} == {("foreign", str(strange)), ("foreign", str(path))}


def test_verify_ends_whatever_a_copy_says_of_itself(store: Store) -> None:
    path = made(store, PARTS)
    data = path.read_bytes()
    length = int.from_bytes(data[-16:-8], "little")
    about, before = json.loads(data[-16 - length : -16]), data[: -16 - length]
    for name, changed in mutations(about):
        text = json.dumps(changed).encode()
        path.write_bytes(before + text + len(text).to_bytes(8, "little") + data[-8:])
        assert [problem.where for problem in verify(store)] == [str(path)], name


def test_a_copy_that_cannot_be_read_is_not_called_wrong(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    path = made(store)
    path.write_bytes(path.read_bytes())
    path.chmod(0)
    with caplog.at_level(logging.WARNING), pytest.raises(StorageError, match="no permission"):
        store.select().memmap()
    assert not caplog.records
    assert [problem.kind for problem in verify(store)] == ["unread"]
