"""Processes: readers elsewhere, a real kill, and two writers at once."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cache.errors import StoreIncompleteError, StoreLockedError
from cache.places import AnyPath
from cache.places.lock import exclusive, lock_path
from cache.store import Store, open_store
from cache.testing.base import BackendUnderTest
from cache.testing.example import Example
from cache.testing.reading import content
from cache.writing.unfinished import building_folder

__all__ = ["ProcessContract", "ReadElsewhereContract", "slow_writer", "wait_for_records"]

N_ROWS = 120  # 30 shards
PAUSE_S = 0.005


class ReadElsewhereContract(BackendUnderTest):
    # Python 3.12 warns of every fork while a thread runs; that it works is what the test is about.
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    @pytest.mark.parametrize("start", ["spawn", "fork"])
    def test_another_process_reads_the_same(self, store: Store, start: str) -> None:
        expected = content(store)  # the parent has read already when it forks
        with multiprocessing.get_context(start).Pool(1) as pool:
            assert pool.apply_async(content, (store,)).get(timeout=60) == expected


class ProcessContract(ReadElsewhereContract):
    def test_a_killed_writer_resumes(self, target: AnyPath, root: AnyPath) -> None:
        """Killed three times at moments drawn from a seed, between and within shards; refused to a second writer."""
        example, rng, done = Example(N_ROWS), np.random.default_rng(0), 0
        for _ in range(3):
            with slow_writer(target, N_ROWS, PAUSE_S) as process:
                wait_for_records(target, done + 3, process)
                refused = pytest.raises(StoreLockedError, match=rf'"pid": {process.pid}\b.*Wait for it')
                with refused, exclusive(lock_path(target)):
                    pass
                time.sleep(rng.uniform(0, 4 * PAUSE_S))
                process.kill()
                process.wait()
            with exclusive(lock_path(target)):  # a dead holder holds nothing
                survived = len(example.begin(target).done)
            assert done + 3 <= survived < example.schema.n_shards
            done = survived
            with pytest.raises(StoreIncompleteError, match=f"{done} of 30 shards"):
                open_store(target)
        example.write(target)
        expected = example.write(root / f"whole{self.suffix}")
        assert self.blobs.tree(target) == self.blobs.tree(expected.path)


@contextmanager
def slow_writer(target: AnyPath, n_rows: int, pause_s: float) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "cache.testing.slow_writer", str(target), str(n_rows), str(pause_s)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_records(target: AnyPath, n_records: int, process: subprocess.Popen[bytes]) -> None:
    """Until the writer has noted that many shards as finished."""
    folder, deadline = building_folder(target) / "records", time.monotonic() + 60
    while len(list(folder.glob("*.json"))) < n_records:
        assert process.poll() is None, "the writer ended before it could be killed"
        assert time.monotonic() < deadline, "the writer writes nothing"
        time.sleep(0.001)
