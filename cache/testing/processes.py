"""Processes: a real kill, and two writers at once."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cache.errors import StoreIncompleteError, StoreLockedError
from cache.lock import exclusive
from cache.store import open_store
from cache.testing.base import BackendUnderTest
from cache.testing.example import Example
from cache.testing.raw import tree_bytes
from cache.testing.slow_writer import lock_of
from cache.writer import building_folder

__all__ = ["ProcessContract"]

N_ROWS = 120  # 30 shards
PAUSE_S = 0.005


class ProcessContract(BackendUnderTest):
    def test_a_killed_writer_goes_on_where_it_was(self, target: Path, tmp_path: Path) -> None:
        """Killed three times at moments drawn from a seed, between and within shards; refused to a second writer."""
        example, rng = Example(N_ROWS), np.random.default_rng(0)
        journal, done = building_folder(target) / "journal.jsonl", 0
        for _ in range(3):
            with slow_writer(target) as process:
                wait_for_lines(journal, done + 3, process)
                with pytest.raises(StoreLockedError, match=rf'"pid": {process.pid}\b.*Wait for it'), held(target):
                    pass
                time.sleep(rng.uniform(0, 4 * PAUSE_S))
                process.kill()
                process.wait()
            with held(target):  # a dead holder holds nothing
                survived = len(example.begin(target).done)
            assert done + 3 <= survived < example.schema.n_shards
            done = survived
            with pytest.raises(StoreIncompleteError, match=f"{done} of 30 shards"):
                open_store(target)
        example.write(target)
        example.write(tmp_path / f"whole{self.suffix}")
        assert tree_bytes(target) == tree_bytes(tmp_path / f"whole{self.suffix}")


@contextmanager
def held(target: Path) -> Iterator[None]:
    with exclusive(lock_of(target)):
        yield


@contextmanager
def slow_writer(target: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "cache.testing.slow_writer", str(target), str(N_ROWS), str(PAUSE_S)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_lines(journal: Path, n_lines: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b"\n") < n_lines:
        assert process.poll() is None, "the writer ended before it could be killed"
        assert time.monotonic() < deadline, "the writer writes nothing"
        time.sleep(0.001)
