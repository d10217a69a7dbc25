"""S3, when it fails: a server that is stopped, refuses or answers late is never taken for damage, and costs nothing."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from upath import UPath

from cache.errors import StorageError, StoreIncompleteError, StoreLockedError, StoreMissingError
from cache.places import AnyPath, as_path
from cache.places.lock import exclusive, lock_path
from cache.places.objects import lease
from cache.store import open_store, store_exists
from cache.testing.example import ARRAYS, Example
from cache.testing.leases import DEAD_PID
from cache.testing.processes import slow_writer, wait_for_records
from cache.testing.s3_server import S3Blobs, S3Server
from cache.writing.unfinished import unfinished

EXAMPLE = Example(n_rows=5, shard_rows=2, n_views=1, arrays=ARRAYS[:2], plain=True)
BLOBS = S3Blobs()
NO_BUCKET = r"s3://no-such-bucket/\S+: there is no such bucket. Create it first"
# zarr leaves the other requests of a group alone when one fails.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
UNREACHABLE = r"s3://features-of-faces/\S+ cannot be reached .*Check the network.*finished shards are kept"


@pytest.fixture(scope="module")
def server(s3: S3Server) -> Iterator[S3Server]:
    with s3.environment():
        yield s3
        s3.gate.open()


@pytest.fixture
def target(server: S3Server) -> Iterator[AnyPath]:
    server.gate.open()
    yield as_path(f"s3://{server.bucket}/{uuid.uuid4().hex[:8]}/example.zarr")
    gc.collect()  # what a failure left warns here, not in the next test


@pytest.fixture(scope="module")
def expected(server: S3Server) -> dict[str, bytes]:
    return BLOBS.tree(EXAMPLE.write(as_path(f"s3://{server.bucket}/whole/example.zarr")).path)


@pytest.fixture(scope="module")
def n_requests(server: S3Server) -> int:
    """How many a whole write takes, roughly: zarr does some of them at once."""
    before = server.gate.n_requests
    EXAMPLE.write(as_path(f"s3://{server.bucket}/count/example.zarr"))
    return server.gate.n_requests - before


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8, 0.97])
def test_a_server_that_stops_costs_no_finished_shard(
    server: S3Server, target: AnyPath, expected: dict[str, bytes], n_requests: int, share: float
) -> None:
    started = set()
    server.gate.shut_after(int(share * n_requests))
    with pytest.raises(StorageError, match=UNREACHABLE):  # noqa: PT012  # which shards it began is the question
        writer = EXAMPLE.begin(target)
        for shard in writer.pending:
            started.add(shard)
            EXAMPLE.put(writer, [shard])
        EXAMPLE.finish(writer)
    server.gate.open()
    if not store_exists(target):
        assert len(started & set(EXAMPLE.begin(target).pending)) <= 1
    EXAMPLE.write(target)
    assert BLOBS.tree(target) == expected


@pytest.mark.parametrize("n_answered", [0, 1, 2, 4, 6])
def test_a_server_that_does_not_answer_is_not_taken_for_an_empty_place(
    server: S3Server, target: AnyPath, n_answered: int
) -> None:
    """A writer that finds no plan starts again: it must not do so because the server did not answer."""
    EXAMPLE.begin(target, [0, 1])
    server.gate.shut_after(n_answered)
    with contextlib.suppress(StorageError):
        EXAMPLE.begin(target)
    server.gate.open()
    assert EXAMPLE.begin(target).pending == [2]


@pytest.mark.parametrize("share", [0.75, 0.85, 0.95])
def test_a_server_that_stops_while_a_store_is_replaced_shows_no_mixture(
    server: S3Server, target: AnyPath, n_requests: int, share: float
) -> None:
    old = EXAMPLE.other(seed=1)
    old.write(target)
    server.gate.shut_after(int(share * n_requests))
    with pytest.raises(StorageError, match=UNREACHABLE):
        EXAMPLE.write(target)
    server.gate.open()
    if store_exists(target):
        store = open_store(target)
        assert old.is_content_of(store) or EXAMPLE.is_content_of(store)
    else:
        with pytest.raises(StoreIncompleteError, match="3 of 3 shards"):
            open_store(target)


def test_what_cannot_be_read_now_is_not_called_damaged(server: S3Server, target: AnyPath) -> None:
    store = EXAMPLE.write(target)
    server.gate.shut()
    for ask in (
        lambda: open_store(target),
        lambda: store.read(np.arange(5)),
        lambda: store.frame,
        lambda: store_exists(target),
        lambda: unfinished(target),
    ):
        with pytest.raises(StorageError, match=UNREACHABLE):
            ask()
    server.gate.open()
    assert EXAMPLE.is_content_of(open_store(target))


def test_a_store_that_is_removed_while_it_is_open_is_not_called_damaged(server: S3Server, target: AnyPath) -> None:
    store = EXAMPLE.write(target)
    server.gate.shut_after(1)
    with pytest.raises(StorageError, match=UNREACHABLE):
        store.read(np.arange(5))


def test_a_lease_outlasts_a_server_that_is_away_for_a_while(server: S3Server, target: AnyPath) -> None:
    with lease(UPath(lock_path(target)), {"host": "here", "pid": 1}, renew_s=0.02):
        server.gate.shut()
        time.sleep(0.3)
        server.gate.open()
        deadline = time.monotonic() + 30
        while server.gate.n_requests < 6 and time.monotonic() < deadline:  # it is asked for and written again
            time.sleep(0.05)
        assert server.gate.n_requests >= 6
    assert BLOBS.names(lock_path(target)) == []


def test_a_lock_that_cannot_be_asked_for_is_not_held(server: S3Server, target: AnyPath) -> None:
    server.gate.shut()
    with pytest.raises(StorageError, match=UNREACHABLE), exclusive(lock_path(target)):
        pytest.fail("the lock was taken")


def test_a_holder_elsewhere_is_dead_when_it_did_not_renew_for_long(target: AnyPath) -> None:
    BLOBS.write(str(lock_path(target)), b'{"host": "elsewhere", "pid": 1}')
    path, me = UPath(lock_path(target)), {"host": socket.gethostname(), "pid": os.getpid()}
    with pytest.raises(StoreLockedError, match="elsewhere"), lease(path, me, dead_after_s=60):
        pass
    time.sleep(1.1)  # S3 dates objects by whole seconds
    with lease(path, me, dead_after_s=0.1):
        assert json.loads(BLOBS.read(str(path)))["host"] == socket.gethostname()


def test_of_many_that_would_take_over_one_does(server: S3Server, target: AnyPath) -> None:
    me = {"host": socket.gethostname(), "pid": os.getpid()}
    BLOBS.write(str(lock_path(target)), json.dumps({**me, "pid": DEAD_PID}).encode())
    start, end = threading.Barrier(4), threading.Event()
    won: list[int] = []
    refused: list[int] = []

    def contend(number: int) -> None:
        with ExitStack() as stack:
            start.wait()
            try:
                stack.enter_context(lease(UPath(lock_path(target)), me))
            except StoreLockedError:
                refused.append(number)
                return
            won.append(number)
            end.wait(timeout=30)

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while len(won) + len(refused) < 4 and any(thread.is_alive() for thread in threads):
        time.sleep(0.01)
    end.set()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 3)


def test_a_killed_writer_resumes(target: AnyPath) -> None:
    example = Example(24)  # 6 shards
    with slow_writer(target, 24, 0.1) as process:
        wait_for_records(target, 2, process)
        with (
            pytest.raises(StoreLockedError, match=rf'"pid": {process.pid}\b.*Wait for it'),
            exclusive(lock_path(target)),
        ):
            pytest.fail("the lock was taken twice")
        process.kill()
        process.wait()
    with exclusive(lock_path(target)):  # a dead holder holds nothing
        writer = example.begin(target)
        assert 2 <= len(writer.done) < 6
        assert example.is_content_of(example.finish(writer))


def test_a_bucket_that_is_not_there_is_named(server: S3Server) -> None:
    target = as_path("s3://no-such-bucket/features/example.zarr")
    with pytest.raises(StoreMissingError, match="no store at s3://no-such-bucket"):
        open_store(target)
    with pytest.raises(StorageError, match=NO_BUCKET):
        EXAMPLE.begin(target)
    with (
        pytest.raises(StorageError, match=NO_BUCKET),
        exclusive(lock_path(target)),
    ):
        pytest.fail("the lock was taken")


def test_wrong_credentials_are_not_called_damage_or_absence(server: S3Server, target: AnyPath) -> None:
    store = EXAMPLE.write(target)
    with server.asking_for_rights():
        for ask in (lambda: open_store(target), lambda: store.read(np.arange(5)), lambda: EXAMPLE.begin(target)):
            with pytest.raises(StorageError, match=r"s3://\S+ cannot be reached .*Check .*the credentials"):
                ask()


def test_no_credentials_are_named(server: S3Server, target: AnyPath, monkeypatch: pytest.MonkeyPatch) -> None:
    with server.environment(AWS_SHARED_CREDENTIALS_FILE="/nowhere", AWS_CONFIG_FILE="/nowhere"):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(StorageError, match=r"Check .*the credentials"):
            EXAMPLE.begin(as_path(str(target)))
        monkeypatch.undo()
