"""One writer per store, and nothing left locked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cache.errors import StorageError, StoreLockedError
from cache.places.lock import exclusive

HOLDER = """
import sys, time
from pathlib import Path
from cache.places.lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_error_of_the_second_names_the_holder(tmp_path: Path) -> None:
    lock = tmp_path / "features" / ".sample.zarr.lock"
    with (
        exclusive(lock),
        pytest.raises(StoreLockedError, match=f'another process writes it.*"pid": {os.getpid()}'),
        exclusive(lock),
    ):
        pass


def test_a_lock_is_free_after_its_block_even_after_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        with exclusive(tmp_path / "lock"):
            raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            fail()


def test_the_lock_of_a_killed_holder_is_free_at_once(tmp_path: Path) -> None:
    lock, root = tmp_path / "lock", Path(__file__).parents[3]
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreLockedError, match=f'"pid": {holder.pid}'), exclusive(lock):
            pass
        holder.kill()
        holder.wait()
    with exclusive(lock):
        assert json.loads(lock.read_text())["pid"] == os.getpid()


def test_two_stores_are_locked_apart(tmp_path: Path) -> None:
    locks = [tmp_path / "a.lock", tmp_path / "b.lock"]
    with exclusive(locks[0]), exclusive(locks[1]):
        assert [json.loads(lock.read_text())["pid"] for lock in locks] == [os.getpid()] * 2


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StorageError, match="a file is where a folder is needed"),
        exclusive(tmp_path / "file" / "lock"),
    ):
        pass


def test_a_lock_file_removed_by_its_holder_never_lets_two_in(tmp_path: Path) -> None:
    """gc removes locks that it holds: who had opened the old file must not take it for the lock."""
    path, inside, entered, refused = tmp_path / ".x.zarr.lock", threading.Lock(), [], []

    def enter_often() -> None:
        for _ in range(1500):
            try:
                with exclusive(path):
                    assert inside.acquire(blocking=False), "two hold the lock"
                    entered.append(1)
                    inside.release()
                    path.unlink()
            except StoreLockedError:
                refused.append(1)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(enter_often) for _ in range(4)]:
            done.result()
    assert len(entered) + len(refused) == 4 * 1500
    assert len(entered) > 100
    assert len(refused) > 100, "the threads never met"
