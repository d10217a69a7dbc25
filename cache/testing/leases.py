"""Leases: where no kernel frees a lock, one writer at a time all the same, and a dead one holds nothing."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from upath import UPath

from cache.errors import StoreLockedError
from cache.places import AnyPath
from cache.places.lock import exclusive, lock_path
from cache.places.objects import lease
from cache.testing.base import BackendUnderTest

__all__ = ["DEAD_PID", "LeaseContract"]

DEAD_PID = 2**22 + 1  # beyond the largest that Linux gives
HUGE_PID = json.dumps({"host": socket.gethostname(), "pid": 10**30}).encode()  # no number of a process


class LeaseContract(BackendUnderTest):
    def write_lease(self, target: AnyPath, **holder: str | int) -> None:
        """The lease of another process."""
        self.blobs.write(str(lock_path(target)), json.dumps(holder).encode())

    def test_the_error_of_the_second_names_the_holder(self, target: AnyPath) -> None:
        with (
            exclusive(lock_path(target)),
            pytest.raises(StoreLockedError, match=f'another process writes it.*"pid": {os.getpid()}.*Wait for it'),
            exclusive(lock_path(target)),
        ):
            pass

    def test_nothing_is_left_after_a_block_even_after_an_error(self, target: AnyPath) -> None:
        for _ in range(2):
            with pytest.raises(KeyError), exclusive(lock_path(target)):
                raise KeyError
        assert self.blobs.names(lock_path(target)) == []

    def test_a_dead_holder_of_this_host_holds_nothing(self, target: AnyPath) -> None:
        self.write_lease(target, host=socket.gethostname(), pid=DEAD_PID)
        with exclusive(lock_path(target)):
            assert json.loads(self.blobs.read(str(lock_path(target))))["pid"] == os.getpid()

    @pytest.mark.parametrize("content", [b"", b"{", b'{"host": "elsewhere", "pid": 1}', b'"a text"', HUGE_PID])
    def test_whoever_may_live_is_waited_for(self, target: AnyPath, content: bytes) -> None:
        """A holder on another host, or one that cannot be read."""
        self.blobs.write(str(lock_path(target)), content)
        with pytest.raises(StoreLockedError, match="Wait for it"), exclusive(lock_path(target)):
            pass
        assert self.blobs.read(str(lock_path(target))) == content

    def test_a_lost_lease_is_an_error_and_is_left_to_its_new_holder(self, target: AnyPath) -> None:
        def work() -> None:
            with renewed_often(target):
                self.write_lease(target, host="elsewhere", pid=1)
                time.sleep(0.5)

        with pytest.raises(StoreLockedError, match="the lock was taken over while this process did not answer"):
            work()
        assert json.loads(self.blobs.read(str(lock_path(target))))["host"] == "elsewhere"


@contextmanager
def renewed_often(target: AnyPath) -> Iterator[None]:
    holder: dict[str, str | int] = {"host": socket.gethostname(), "pid": os.getpid()}
    with lease(UPath(lock_path(target)), holder, renew_s=0.02):
        yield
