"""Disks: a full or a read-only one is a clear error, and costs nothing that was finished."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cache.errors import StorageError
from cache.schema import ArraySpec
from cache.store import open_store
from cache.testing.base import BackendUnderTest
from cache.testing.example import Example
from cache.testing.raw import tree_bytes
from cache.writing.writer import StoreWriter

__all__ = ["DiskContract", "SmallDisk"]

KB = 1024


@dataclass(frozen=True)
class SmallDisk:
    """A file system in memory, of a size that a test sets."""

    path: Path

    def mount(self, options: str) -> None:
        self.path.mkdir(exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.path], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"needs the right to mount a tmpfs: {done.stderr.strip()}")

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", self.path], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", self.path], check=True)  # lazy: another test may list the folder just now


class DiskContract(BackendUnderTest):
    @pytest.fixture
    def big(self) -> Example:
        """768 kB of features in 12 shards."""
        return Example(n_rows=192, shard_rows=16, n_views=1, arrays=(ArraySpec("pooled", (1024,), "float32"),))

    @pytest.fixture
    def disk(self, tmp_path: Path) -> Iterator[SmallDisk]:
        if os.geteuid() != 0:
            pytest.skip("needs root, to mount a tmpfs")
        disk = SmallDisk(tmp_path / "disk")
        disk.mount("size=300k")
        yield disk
        disk.unmount()

    def test_a_full_disk_costs_no_finished_shard(self, disk: SmallDisk, big: Example, tmp_path: Path) -> None:
        """The disk grows step by step, so that it is full while shards are put and, for HDF5, while they are joined."""
        target, sizes = disk.path / f"example{self.suffix}", iter(range(500, 4000, 200))
        done, n_refused = 0, 0
        while not target.exists():
            writer = StoreWriter(target, big.key, big.schema)
            assert len(writer.done) >= done
            try:
                big.finish(writer)
            except StorageError as error:
                assert "no space left: free some and run the same command again" in str(error)  # noqa: PT017  # a loop
                n_refused, done = n_refused + 1, len(writer.done)
                disk.remount(f"size={next(sizes)}k")
        assert n_refused >= 3
        big.write(tmp_path / f"whole{self.suffix}")
        assert tree_bytes(target) == tree_bytes(tmp_path / f"whole{self.suffix}")

    def test_a_full_disk_leaves_the_old_store(self, disk: SmallDisk, big: Example) -> None:
        target = disk.path / f"example{self.suffix}"
        small = Example()
        small.write(target)
        before = tree_bytes(target)
        with pytest.raises(StorageError, match="no space left"):
            big.write(target)
        assert tree_bytes(target) == before
        assert open_store(target).key == small.key.digest

    def test_a_disk_that_became_read_only_is_named(self, disk: SmallDisk, example: Example) -> None:
        target = disk.path / f"example{self.suffix}"
        writer = example.begin(target, [0])
        disk.remount("ro")
        with pytest.raises(StorageError, match="the file system is read-only"):
            example.put(writer, [1])
        with pytest.raises(StorageError, match="the file system is read-only"):
            example.other(seed=1).begin(target)
        disk.remount("rw")
        assert example.begin(target).pending == [1, 2]

    def test_a_limit_on_file_size_is_named(self, target: Path, big: Example) -> None:
        writer = big.begin(target, [0])
        with largest_file(20 * KB), pytest.raises(StorageError, match="raise `ulimit -f` and run the same command"):
            big.put(writer, [1])
        assert big.begin(target).pending == list(range(1, 12))
        assert big.write(target).key == big.key.digest

    def test_a_limit_on_the_size_of_the_whole_costs_no_shard(self, target: Path, big: Example) -> None:
        writer = big.begin(target, range(12))
        # More than a shard, less than all: a backend of many files is not affected.
        with largest_file(200 * KB), contextlib.suppress(StorageError):
            big.finish(writer)
        assert target.exists() or big.begin(target).pending == []
        assert big.write(target).read(np.arange(192)).tobytes() == big.values("pooled")[0].tobytes()

    def test_a_file_in_the_place_of_a_folder_is_named(self, tmp_path: Path, example: Example) -> None:
        """Root may write anywhere, but not below a file."""
        (tmp_path / "features").write_text("a file")
        with pytest.raises(StorageError, match="a file is where a folder is needed"):
            example.begin(tmp_path / "features" / "some-encoder" / f"example{self.suffix}")


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond `n_bytes`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
