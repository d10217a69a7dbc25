"""A machine that does to a store whatever may happen to it, in any order, and compares it with a model in plain data.

class ZarrMachine(StoreMachine):
    suffix, growing_name = ".zarr", "store.zarr"

TestZarrMachine = ZarrMachine.TestCase
"""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cache.backends import backend_of
from cache.errors import CacheError, StoreIncompleteError, StoreMissingError
from cache.places import AnyPath, as_path
from cache.store import open_store
from cache.testing.base import record_blob, store_target
from cache.testing.example import Example
from cache.testing.raw import Blobs, DiskBlobs, MemoryBlobs
from cache.testing.strategies import examples
from cache.upkeep.candidates import candidates_below
from cache.upkeep.cleanup import Policy, clean_up, decide
from cache.upkeep.integrity import verify
from cache.writing.unfinished import building_folder
from cache.writing.writer import StoreWriter

__all__ = ["DiskMachine", "MemoryMachine", "StoreMachine"]


class StoreMachine(RuleBasedStateMachine):
    """The model: which example is finished, which one is being made, and which of its shards are finished.

    A writer that is killed is one that does nothing any more. All rules are those of one process at a time: what two
    do at once is the lock's matter.
    """

    suffix: str
    blobs: Blobs

    def __init__(self) -> None:
        super().__init__()
        self.root = self.make_root()
        self.target = store_target(self.root, f"example{self.suffix}")
        self.variants: list[Example] = []
        self.finished: Example | None = None
        self.started: Example | None = None
        self.done: set[int] = set()
        self.writer: StoreWriter | None = None
        self.read: tuple[Example, dict[str, bytes]] | None = None

    def make_root(self) -> AnyPath:
        raise NotImplementedError

    @initialize(base=examples())
    def choose(self, base: Example) -> None:
        """Other features, other columns, and both."""
        self.variants = [base, base.other(generation=1), base.other(seed=1), base.other(n_rows=base.n_rows + 1)]

    @precondition(lambda self: self.writer is None)
    @rule(number=st.integers(0, 3))
    def begin(self, number: int) -> None:
        """The finished shards of the same features stay, whatever their columns; those of others are removed."""
        example = self.variants[number]
        if not (self.started and _same_features(self.started, example)):
            self.done = set()
        self.started, self.writer = example, example.begin(self.target)
        assert set(self.writer.done) == self.done

    @precondition(lambda self: self.writer is not None and self.writer.pending)
    @rule(data=st.data())
    def put(self, data: st.DataObject) -> None:
        """Some shards, in any order."""
        assert self.writer is not None
        shards = data.draw(st.sets(st.sampled_from(self.writer.pending), min_size=1), "shards")
        for shard in shards:
            self._put(self.writer, shard)
        self.done |= shards
        assert set(self.writer.done) == self.done

    def _put(self, writer: StoreWriter, shard: int) -> None:
        """Copied where it is already, as `extract` does when only columns changed."""
        assert self.started is not None
        if self.finished and _same_features(self.finished, self.started):
            old = open_store(self.target)
            writer.put(shard, old.shard(shard), old.manifest.shards[shard].rejected)
        else:
            self.started.put(writer, [shard])

    @precondition(lambda self: self.writer is not None)
    @rule()
    def kill(self) -> None:
        self.writer = None

    @precondition(lambda self: self.writer is not None and self.writer.pending)
    @rule(data=st.data())
    def kill_between_two_blocks(self, data: st.DataObject) -> None:
        """What is there of a shard that has no record is never used: here it is of other features."""
        assert self.writer is not None
        assert self.started is not None
        shard = data.draw(st.sampled_from(self.writer.pending), "shard")
        name = self.started.arrays[0].name
        torn = self.started.other(seed=99).blocks(shard)[name]
        backend_of(self.target).write_block(building_folder(self.target), self.started.schema, name, shard, torn)
        self.writer = None

    @precondition(lambda self: self.writer is None and self.done)
    @rule(data=st.data(), length=st.integers(0, 60))
    def tear_a_record(self, data: st.DataObject, length: int) -> None:
        shard = data.draw(st.sampled_from(sorted(self.done)), "shard")
        record = record_blob(self.target, shard)
        self.blobs.write(record, self.blobs.read(record)[:length])
        self.done.remove(shard)

    @precondition(lambda self: self.writer is not None)
    @rule()
    def finish(self) -> None:
        """Put what is pending, and complete the store."""
        assert self.writer is not None
        assert self.started is not None
        self.started.finish(self.writer)
        self.finished, self.started, self.writer, self.done = self.started, None, None, set()

    @precondition(lambda self: self.finished)
    @rule(data=st.data(), mask=st.integers(1, 255))
    def flip_a_byte(self, data: st.DataObject, mask: int) -> None:
        """No byte can change unseen: a reader gets an error, and the right values where it gets any."""
        assert self.finished is not None
        extent = self.blobs.extent(data.draw(st.sampled_from(self.blobs.names(self.target)), "file"))
        with extent.flipped(data.draw(st.integers(0, extent.stop - 1), "byte"), mask):
            try:
                assert self.finished.is_content_of(open_store(self.target))
            except CacheError:
                assert [problem for problem in verify(self.target) if problem.is_damage]

    @precondition(lambda self: self.writer is None and self.started)
    @rule()
    def collect_garbage(self) -> None:
        """Finished shards are work: they go only where the store that they are of is finished already."""
        policy = Policy()
        decisions = [decision for candidate in candidates_below(self.root) if (decision := decide(candidate, policy))]
        clean_up(decisions, policy)
        if not self.done or (self.started and self.finished and self.started.key == self.finished.key):
            self.started, self.done = None, set()

    @invariant()
    def readers_see_the_model(self) -> None:
        if self.finished:
            self._read_finished(self.finished)
        elif self.started:
            progress = f"{len(self.done)} of {self.started.schema.n_shards} shards"
            with pytest.raises(StoreIncompleteError, match=progress):
                open_store(self.target)
        else:
            with pytest.raises(StoreMissingError):
                open_store(self.target)

    def _read_finished(self, example: Example) -> None:
        """Values are read again when a byte of the store has changed; what is beside it may change at each step."""
        store = open_store(self.target)
        assert store.manifest.rejected == {
            row: reason for n in range(example.schema.n_shards) for row, reason in example.rejected(n).items()
        }
        read = (example, self.blobs.tree(self.target))
        if read != self.read:
            assert example.is_content_of(store)
            assert verify(self.target) == []
            self.read = read

    def teardown(self) -> None:
        self.blobs.remove(self.root)


def _same_features(a: Example, b: Example) -> bool:
    return (a.key, a.schema) == (b.key, b.schema)


class DiskMachine(StoreMachine):
    """In a temporary folder."""

    blobs = DiskBlobs()

    def make_root(self) -> Path:
        self._folder = tempfile.TemporaryDirectory()
        return Path(self._folder.name)

    def teardown(self) -> None:
        self._folder.cleanup()


class MemoryMachine(StoreMachine):
    """In `memory://`, where nothing can be renamed."""

    suffix = ".zarr"
    blobs = MemoryBlobs()

    def make_root(self) -> AnyPath:
        return as_path(f"memory://{uuid.uuid4().hex}")
