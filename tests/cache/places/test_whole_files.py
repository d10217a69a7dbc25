"""Files and folders that are whole, the old ones or the new ones."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest

from cache.atomic import atomic_write, replace, write_bytes
from cache.errors import StorageError
from cache.places.refusals import storage_errors


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A finished folder and the old one in its place."""
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text(name)
    return tmp_path / "new", tmp_path / "old"


def test_bytes_replace_bytes(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    for data in (b"first", b"", b"second"):
        write_bytes(path, data)
        assert path.read_bytes() == data
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "taken"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(StorageError, match="taken: a folder is where a file is needed"):
        write_bytes(path, b"data")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]
    assert (path / "inside").is_dir()


def test_orphans_are_removed_and_files_of_living_writers_stay(tmp_path: Path) -> None:
    dead, young, alive = (tmp_path / f".out.npy.{name * 8}.partial" for name in "abc")
    for path in (dead, young, alive):
        path.write_text("half")
    for path in (dead, alive):
        os.utime(path, (time.time() - 1000,) * 2)
    with alive.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with atomic_write(tmp_path / "out.npy") as partial:
            partial.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive.name, young.name, "out.npy"])
    assert (tmp_path / "out.npy").read_text() == "whole"


def _stop_half_way(path: Path) -> None:
    with atomic_write(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt


def test_a_file_is_whole_or_what_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "out.npy"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        _stop_half_way(path)
    assert [found.read_text() for found in tmp_path.iterdir()] == ["before"]


def test_a_folder_replaces_a_folder(folders: tuple[Path, Path]) -> None:
    new, old = folders
    replace(new, old)
    assert (old / "content").read_text() == "new"
    assert list(old.parent.iterdir()) == [old]


def test_a_folder_is_moved_to_a_free_name_and_what_a_kill_left_is_removed(folders: tuple[Path, Path]) -> None:
    new, old = folders
    old.rename(old.with_name(".old.replaced"))
    replace(new, old)
    assert (old / "content").read_text() == "new"
    assert list(old.parent.iterdir()) == [old]


def test_the_old_folder_is_put_back_if_the_new_one_cannot_come(folders: tuple[Path, Path]) -> None:
    new, old = folders
    with pytest.raises(StorageError, match="there is no such place"):
        replace(new.with_name("never made"), old)
    assert (old / "content").read_text() == "old"


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "no space left: free some and run the same command again, finished shards are kept"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EROFS, "read-only: choose another folder"),
        (errno.EACCES, "no permission"),
        (errno.ENOTDIR, "a file is where a folder is needed"),
        (errno.EISDIR, "a folder is where a file is needed"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ETIMEDOUT, "does not answer"),
        (errno.EIO, "the disk reports an error"),
        (errno.ESTALE, "the network drive is gone"),
        (errno.ENOTCONN, "the network drive is gone"),
        (errno.ENOLCK, "the file system has no locks"),
    ],
)
def test_a_refusal_of_the_system_is_reported_with_what_to_do(number: int, advice: str) -> None:
    with (
        pytest.raises(StorageError, match=f"cannot write /some/where: .*{advice}"),
        storage_errors(Path("/some/where")),
    ):
        raise OSError(number, "refused")


def test_other_errors_keep_their_own_words() -> None:
    with pytest.raises(BrokenPipeError), storage_errors(Path("/some/where")):
        raise BrokenPipeError(errno.EPIPE, "not about a disk")
