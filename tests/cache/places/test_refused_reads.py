"""A read that the system or another program refuses is named by its cause, and is not called damage."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py
import pytest

from cache.errors import CacheError, NewerSchemaError, SchemaError, StorageError, StoreLockedError
from cache.features_root import find_store
from cache.mmap_copies import mmap_copy
from cache.mmap_format import mmap_files
from cache.places.lock import is_held
from cache.places.refusals import refusal
from cache.store import Store, open_store, store_exists
from cache.testing.example import Example
from cache.texts import TextStore
from cache.upkeep.candidates import candidates_below
from cache.upkeep.cleanup import Policy, References, decide
from cache.upkeep.integrity import verify
from cache.upkeep.inventory import UNREADABLE, statuses_below
from stages.cli import run

NO_DISK = Path("/proc/self/mem")  # reading its beginning is an input/output error, on every Linux


@pytest.fixture
def one_file(tmp_path: Path) -> Path:
    path = tmp_path / "features" / "some-encoder" / "example.h5"
    Example().write(path)
    return path


@contextmanager
def open_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program has the file open for writing."""
    code = "import h5py, sys; file = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        yield other
        other.kill()


@contextmanager
def no_file_left() -> Iterator[None]:
    """This process can open no further file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        try:
            while True:
                stack.enter_context(open(os.devnull))
        except OSError as error:
            assert error.errno == errno.EMFILE  # noqa: PT017  # how the loop ends
        yield


@contextmanager
def as_plain_user() -> Iterator[None]:
    """Root may read everything: tests that run as root continue as another user."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def all_messages(path: Path) -> list[str]:
    """The messages of every way to read a store."""
    messages = [f"{problem.what} {problem.advice}" for problem in verify(path)]
    messages += [found.why for found in statuses_below(path.parent)]
    with pytest.raises(CacheError) as refused:
        open_store(path)
    return [*messages, str(refused.value)]


def assert_not_called_damage(messages: list[str]) -> None:
    words = ("elete", "not what was written", "estore")
    assert not [text for text in messages if any(word in text for word in words)], messages


def test_a_file_that_another_program_has_open_is_in_use_not_damaged(one_file: Path) -> None:
    with open_elsewhere(one_file):
        with pytest.raises(StoreLockedError, match=r"in use: another program has it open for writing\. Close it there"):
            open_store(one_file)
        assert_not_called_damage(all_messages(one_file))
        assert [(problem.kind, problem.is_damage) for problem in verify(one_file)] == [("unread", False)]
        assert [found.state for found in statuses_below(one_file.parent)] == [UNREADABLE]


def test_a_file_that_is_opened_after_our_store_object_is_in_use_too(one_file: Path) -> None:
    store = open_store(one_file)
    with open_elsewhere(one_file), pytest.raises(StoreLockedError, match="in use"):
        store.read_shard(0)


def test_a_file_whose_other_writer_was_killed_is_not_called_damaged(one_file: Path) -> None:
    """HDF5 leaves a mark in the file; its bytes are as they were."""
    with open_elsewhere(one_file):
        pass
    with pytest.raises(StoreLockedError, match=r"or was killed.*`h5clear -s`.*then verify the store"):
        open_store(one_file)
    assert_not_called_damage(all_messages(one_file))


def test_another_reader_of_the_file_changes_nothing(one_file: Path) -> None:
    with h5py.File(one_file, "r"):
        assert verify(one_file) == []


def test_too_many_open_files_are_not_damage(store: Store) -> None:
    assert isinstance(store.path, Path)
    with no_file_left():
        with pytest.raises(StorageError, match="too many files open: raise `ulimit -n`"):
            open_store(store.path)
        with pytest.raises(StorageError, match="too many files open"):
            store.read_shard(0)
        problems = verify(store.path)
    assert [problem.kind for problem in problems] == ["unread"]
    assert verify(store.path) == []


def test_a_store_that_may_not_be_read_is_not_damaged(store: Store, tmp_path: Path) -> None:
    assert isinstance(store.path, Path)
    inner = store.path if store.path.is_file() else store.path / "pooled" / "c" / "0" / "0" / "0"
    store.read_shard(0)
    for folder in inner.relative_to(tmp_path.parent).parents:
        (tmp_path.parent / folder).chmod(0o755)
    tmp_path.parent.parent.chmod(0o755)  # pytest makes its own folders private
    inner.chmod(0)
    with as_plain_user():
        with pytest.raises(StorageError, match="no permission to read it"):
            store.read_shard(0)
        problems = verify(store.path)
    assert [problem.kind for problem in problems] == ["unread"], problems


@pytest.mark.skipif(not NO_DISK.exists(), reason="needs Linux's /proc for a file whose reading fails")
def test_an_error_of_the_disk_is_not_damage_of_the_store(store: Store) -> None:
    assert isinstance(store.path, Path)
    broken = store.path if store.path.is_file() else store.path / "pooled" / "c" / "0" / "1" / "0"
    broken.unlink()
    broken.symlink_to(NO_DISK)
    with pytest.raises(StorageError, match="the disk reports an error: check the disk"):
        open_store(store.path).read_shard(1)
    problems = verify(store.path)
    assert [problem.kind for problem in problems] == ["unread"]
    assert_not_called_damage([f"{problem.what} {problem.advice}" for problem in problems])


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "some-encoder" / "example.h5"
    path.mkdir(parents=True)
    with pytest.raises(SchemaError, match="expected an HDF5 file, found a folder"):
        open_store(path)
    (tmp_path / "text.npz").mkdir()
    with pytest.raises(SchemaError, match="expected a file of text vectors, found a folder"):
        TextStore.read(tmp_path / "text.npz")


def test_a_newer_zarr_format_is_not_damage(tmp_path: Path) -> None:
    path = tmp_path / "example.zarr"
    Example().write(path)
    entry = json.loads((path / "zarr.json").read_text())
    (path / "zarr.json").write_text(json.dumps(entry | {"zarr_format": 4}))
    with pytest.raises(NewerSchemaError, match="of Zarr format 4, this program reads 3: update fer-stage and zarr"):
        open_store(path)
    assert_not_called_damage(all_messages(path))


def test_a_newer_schema_is_not_damage(one_file: Path) -> None:
    manifest = {**json.loads(open_store(one_file).manifest.to_text()), "fer_stage_store": 2}
    with h5py.File(one_file, "r+") as file:
        file["fer_stage"][()] = json.dumps(manifest)
    assert_not_called_damage(all_messages(one_file))
    assert "update fer-stage" in verify(one_file)[0].what


def test_what_cannot_be_looked_at_is_not_taken_for_absent(tmp_path: Path) -> None:
    """Else `extract` would be recommended for a store that is there."""
    path = tmp_path / "features" / "some-encoder" / "example.zarr"
    path.parent.mkdir(parents=True)
    path.symlink_to(path)
    with pytest.raises(StorageError, match="its links form a circle"):
        store_exists(path)
    with pytest.raises(StorageError, match="its links form a circle"):
        find_store(tmp_path / "features", "some-encoder", "example")


def test_a_lock_that_cannot_be_looked_at_is_not_taken_for_free(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "lock")
    with pytest.raises(OSError, match="symbolic links"):
        is_held(tmp_path / "lock")
    assert not is_held(tmp_path / "nothing")


def test_gc_keeps_what_cannot_be_read_while_a_store_is_in_use(one_file: Path) -> None:
    mmap_copy(open_store(one_file).select(output="pooled"))
    root, policy = one_file.parent.parent, Policy(references=References())
    with open_elsewhere(one_file):
        decisions = {found.path: decide(found, policy) for found in candidates_below(root)}
    assert decisions[mmap_files(root)[0][0]] is None
    decision = decisions[one_file]
    assert decision is not None
    assert not decision.remove
    assert "unreadable" in decision.reason


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "no permission"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ENOMEM, "no memory left"),
        (errno.ENOSPC, "no space left"),
        (errno.ESTALE, "mount it again"),
        (errno.ETIMEDOUT, "does not answer"),
        (errno.EAGAIN, "in use"),
        (errno.EBUSY, "in use"),
        (errno.EPROTO, "the system refuses"),
    ],
)
def test_a_cause_of_the_system_is_named_and_not_called_damage(number: int, words: str) -> None:
    refused = refusal(OSError(number, os.strerror(number)), "features/a.h5: pooled")
    assert words in str(refused)
    assert_not_called_damage([str(refused)])


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EINVAL])
def test_a_file_that_is_missing_inside_a_store_is_no_refusal(number: int) -> None:
    assert refusal(OSError(number, os.strerror(number)), "features/a.zarr") is None
    assert refusal(ValueError("bad checksum"), "features/a.zarr") is None


def test_a_library_that_was_not_imported_whole_is_a_refusal() -> None:
    error = AttributeError("partially initialized module 'numcodecs' has no attribute 'crc32c'")
    assert "imported only in part" in str(refusal(error, "features/a.zarr"))
    assert refusal(AttributeError("'str' object has no attribute 'get'"), "features/a.zarr") is None


def test_a_network_that_gives_no_answer_is_a_refusal() -> None:
    for error in (TimeoutError(), ConnectionResetError(), OSError(errno.ETIMEDOUT, "Connection timed out")):
        assert "heck the network" in str(refusal(error, "features/a.zarr"))


def test_verify_checks_the_other_stores_and_ls_lists_what_is_in_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Example().write(tmp_path / "mini" / "whole.zarr")
    used = tmp_path / "mini" / "used.h5"
    Example().write(used)
    with open_elsewhere(used):
        assert run(["store", "verify", str(tmp_path), "--format", "json"]) == 3
        output = capsys.readouterr()
        records = {Path(record["store"]).name: record for record in json.loads(output.out)}
        assert run(["store", "ls", str(tmp_path), "--format", "json"]) == 0
        states = {row["dataset"]: row["state"] for row in json.loads(capsys.readouterr().out)}
    assert (records["whole.zarr"]["damage"], records["whole.zarr"]["unread"]) == (0, 0)
    assert (records["used.h5"]["damage"], records["used.h5"]["unread"]) == (0, 1)
    assert "1 of 2 stores could not be checked" in output.err
    assert_not_called_damage([output.err])
    assert states == {"used": "unreadable", "example": "complete"}
