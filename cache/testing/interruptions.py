"""Interruptions: whatever stops a writer, at any of its steps, no reader sees half a store and no work is done twice.

Each kind of place stops a writer in its own way; what must hold afterwards is the same.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import pytest

from cache.errors import CacheError, StoreIncompleteError, StoreMissingError
from cache.places import AnyPath, as_path
from cache.store import Store, open_store
from cache.testing.base import BackendUnderTest, store_target
from cache.testing.example import ARRAYS, Example
from cache.testing.faults import Fault, FaultKind, Killed, Outcome, faulty_memory, no_space, write_on_disk

__all__ = ["InterruptedInMemory", "InterruptedOnDisk", "InterruptionContract"]

NEW = Example(n_rows=5, shard_rows=2, n_views=1, arrays=ARRAYS[:2], plain=True)  # few steps, of every kind
OLD = NEW.other(seed=1, n_rows=3)
N_MOMENTS = 10


class InterruptionContract(BackendUnderTest):
    """`write` runs one writer of `NEW` to which the fault happens."""

    can_rename: bool  # so that an old store is there until the new one is: a writer that reports an error left it

    @abstractmethod
    def write(self, target: AnyPath, fault: Fault) -> Outcome: ...

    @pytest.fixture(scope="class")
    @classmethod
    def expected(cls, class_root: AnyPath) -> dict[str, bytes]:
        """What an uninterrupted run leaves."""
        return cls.blobs.tree(NEW.write(store_target(class_root / "uninterrupted", f"example{cls.suffix}")).path)

    @pytest.fixture(scope="class")
    @classmethod
    def old(cls, class_root: AnyPath) -> dict[str, bytes]:
        """A finished store of other features, where the new one will be."""
        return cls.blobs.tree(OLD.write(store_target(class_root / "old", f"example{cls.suffix}")).path)

    def check_faults(
        self,
        kind: FaultKind,
        root: AnyPath,
        expected: dict[str, bytes],
        before: Sequence[dict[str, bytes]],
        step: int = 0,
    ) -> None:
        """Let it happen at every `step`-th change, by default at about ten, with each of `before` there in turn."""
        n_changes = self.write(store_target(root / "count", f"example{self.suffix}"), Fault(kind)).n_changes
        assert n_changes, "the writer did not end by itself"
        step = step or max(1, n_changes // N_MOMENTS)
        for at, tree in zip(range(1, n_changes + 1, step), cycle(before), strict=False):
            target = store_target(root / str(at), f"example{self.suffix}")
            self.blobs.write_tree(target, tree)
            outcome = self.write(target, Fault(kind, at))
            self._check_reader(target, outcome, has_old=bool(tree))
            self._check_resume(target, outcome, expected)

    def _check_reader(self, target: AnyPath, outcome: Outcome, *, has_old: bool) -> None:
        """There is the old store, the new one, or an error that says how to resume."""
        if outcome.error:
            assert outcome.error.startswith("StorageError: "), outcome
        opened = _opened(target)
        if isinstance(opened, Store):
            assert NEW.is_content_of(opened) or (has_old and OLD.is_content_of(opened))
        elif has_old:  # it may be gone only while the new one comes into its place, all of it made
            assert outcome.is_dead or not self.can_rename
            assert isinstance(opened, StoreIncompleteError)
            assert "3 of 3 shards" in str(opened), outcome
        else:
            assert isinstance(opened, StoreIncompleteError | StoreMissingError)

    def _check_resume(self, target: AnyPath, outcome: Outcome, expected: dict[str, bytes]) -> None:
        is_done = (opened := _opened(target)) and isinstance(opened, Store) and NEW.is_content_of(opened)
        writer = NEW.begin(target)
        if not is_done:
            assert len(outcome.started & set(writer.pending)) <= 1, "more than the shard in flight was lost"
        NEW.finish(writer)
        assert self.blobs.tree(target) == expected
        names = {path.name for path in target.parent.iterdir()}
        assert names - {f".{target.name}.lock"} == {target.name}


def _opened(target: AnyPath) -> Store | CacheError:
    try:
        return open_store(target)
    except CacheError as error:
        return error


class InterruptedOnDisk(InterruptionContract):
    """A process is killed, a write stops half-way, space runs out, the disk reports an error."""

    can_rename = True

    def write(self, target: AnyPath, fault: Fault) -> Outcome:
        return write_on_disk(Path(str(target)), NEW, fault)

    @pytest.mark.parametrize("kind", ["kill", "tear", "full", "broken"])
    def test_any_moment_is_survived(
        self, root: AnyPath, expected: dict[str, bytes], old: dict[str, bytes], kind: FaultKind
    ) -> None:
        self.check_faults(kind, root, expected, [old, {}])

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["kill", "tear", "full", "broken"])
    def test_every_moment_is_survived(
        self, root: AnyPath, expected: dict[str, bytes], old: dict[str, bytes], kind: FaultKind
    ) -> None:
        self.check_faults(kind, root / "over nothing", expected, [{}], step=1)
        self.check_faults(kind, root / "over a store", expected, [old], step=1)


class InterruptedInMemory(InterruptionContract):
    """The process seems to end, or there is no memory left."""

    can_rename = False

    def write(self, target: AnyPath, fault: Fault) -> Outcome:
        started: set[int] = set()
        with faulty_memory(fault.at, Killed if fault.kind == "kill" else no_space) as count:
            try:
                writer = NEW.begin(as_path(str(target)))
                for shard in writer.pending:
                    started.add(shard)
                    NEW.put(writer, [shard])
                NEW.finish(writer)
            except Killed:
                return Outcome(frozenset(started))
            except CacheError as error:
                return Outcome(frozenset(started), count[0], f"{type(error).__name__}: {error}")
        return Outcome(frozenset(started), count[0])

    @pytest.mark.parametrize("kind", ["kill", "full"])
    def test_any_moment_is_survived(
        self, root: AnyPath, expected: dict[str, bytes], old: dict[str, bytes], kind: FaultKind
    ) -> None:
        self.check_faults(kind, root, expected, [old, {}])

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["kill", "full"])
    def test_every_moment_is_survived(
        self, root: AnyPath, expected: dict[str, bytes], old: dict[str, bytes], kind: FaultKind
    ) -> None:
        self.check_faults(kind, root / "over nothing", expected, [{}], step=1)
        self.check_faults(kind, root / "over a store", expected, [old], step=1)
