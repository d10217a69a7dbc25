"""Growing: a store is complete or reports that it is not; a stopped writer resumes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from cache.backends import backend_name, backend_of
from cache.errors import StoreDamagedError, StoreIncompleteError, StoreMissingError
from cache.places import AnyPath
from cache.store import open_store, store_exists
from cache.testing.base import BackendUnderTest, record_blob
from cache.testing.example import Example
from cache.writing.unfinished import building_folder

__all__ = ["GrowingContract"]


def extract_arguments(target: AnyPath) -> dict[str, str]:
    """Arguments of the `extract` that makes the store of the suite."""
    return {
        "dataset": "example",
        "encoder": "some-encoder",
        "backend": backend_name(target),
        "features": str(target.parent.parent),
    }


class GrowingContract(BackendUnderTest):
    @pytest.fixture(scope="class")
    @classmethod
    def uninterrupted(cls, class_root: AnyPath, example: Example) -> dict[str, bytes]:
        """The bytes of the example's store, written without any interruption."""
        return cls.blobs.tree(example.write(class_root / "uninterrupted" / f"whole{cls.suffix}").path)

    def test_a_missing_store_names_the_command_that_makes_it(self, target: AnyPath) -> None:
        with pytest.raises(StoreMissingError, match=rf"no store at .*{target.name}\Z") as missing:
            open_store(target)
        assert missing.value.remedy == [("extract", extract_arguments(target))]
        assert missing.value.purpose == "to make it"

    @pytest.mark.parametrize("n_done", [0, 1, 2, 3])
    def test_an_incomplete_store_says_how_far_it_is(self, target: AnyPath, example: Example, n_done: int) -> None:
        example.begin(target, range(n_done))
        with pytest.raises(
            StoreIncompleteError, match=rf"{target.name} is incomplete: {n_done} of 3 shards\Z"
        ) as incomplete:
            open_store(target)
        of_schema = {"outputs": [array.name for array in example.arrays], "views": 2, "dtype": "float16"}
        assert incomplete.value.remedy == [("extract", extract_arguments(target) | of_schema)]
        assert incomplete.value.purpose == "to resume, with what else the first call had"

    def test_finish_refuses_while_shards_are_pending(self, target: AnyPath, example: Example) -> None:
        writer = example.begin(target, [0, 2])
        with pytest.raises(StoreIncompleteError, match="1 of 3 shards are pending"):
            writer.finish(example.columns, {}, {})
        assert not store_exists(target)

    @pytest.mark.parametrize("done", [(), (0,), (2, 0), (0, 1, 2)], ids=str)
    def test_resume_makes_only_what_is_pending(
        self, target: AnyPath, example: Example, uninterrupted: dict[str, bytes], done: tuple[int, ...]
    ) -> None:
        example.begin(target, done)
        writer = example.begin(target)
        assert writer.pending == [shard for shard in range(3) if shard not in done]
        assert writer.rejected == {row: reason for shard in done for row, reason in example.rejected(shard).items()}
        example.finish(writer)
        assert self.blobs.tree(target) == uninterrupted

    @pytest.mark.parametrize("length", [0, 1, 40, -1])
    def test_a_cut_record_is_no_record(self, target: AnyPath, example: Example, length: int) -> None:
        """Our own writing leaves none; a disk that lost power may."""
        example.begin(target, [0, 1])
        record = record_blob(target, 1)
        self.blobs.write(record, self.blobs.read(record)[:length])
        assert example.begin(target).pending == [1, 2]

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b'"shard":0', b'"shard":2'),
            (b'"rejected":{"2"', b'"rejected":{"3"'),
            (b"cannot be decoded", b"cannot be encoded"),
            (b'"digest"', b'"digset"'),
        ],
    )
    def test_a_corrupted_record_is_no_record(self, target: AnyPath, example: Example, old: bytes, new: bytes) -> None:
        example.begin(target, [0, 1])
        record = record_blob(target, 0)
        data = self.blobs.read(record)
        assert old in data
        self.blobs.write(record, data.replace(old, new))
        assert example.begin(target).pending == [0, 2]

    def test_a_shard_without_a_record_is_made_again(
        self, target: AnyPath, example: Example, uninterrupted: dict[str, bytes]
    ) -> None:
        example.begin(target, [0, 1])
        self.blobs.delete(record_blob(target, 0))
        writer = example.begin(target)
        assert writer.pending == [0, 2]
        example.finish(writer)
        assert self.blobs.tree(target) == uninterrupted

    def test_a_torn_block_is_written_over(
        self, target: AnyPath, example: Example, uninterrupted: dict[str, bytes]
    ) -> None:
        """A kill between two blocks leaves a block that no record names; its content cannot be trusted."""
        example.begin(target)
        backend_of(target).write_block(
            building_folder(target), example.schema, "pooled", 0, example.other(seed=9).blocks(0)["pooled"]
        )
        example.finish(example.begin(target))
        assert self.blobs.tree(target) == uninterrupted

    def test_a_finished_shard_can_be_read_back(self, target: AnyPath, example: Example) -> None:
        writer = example.begin(target, [2])
        assert writer.read_shard(2, "pooled").tobytes() == example.blocks(2)["pooled"].tobytes()

    def test_a_finished_shard_that_the_disk_corrupted_is_not_read_back(self, target: AnyPath, example: Example) -> None:
        writer = example.begin(target, [0])
        backend_of(target).write_block(
            building_folder(target), example.schema, "pooled", 0, example.other(seed=9).blocks(0)["pooled"]
        )
        with pytest.raises(StoreDamagedError, match=r"shard 0 of pooled is not what was written\. Delete the folder"):
            writer.read_shard(0)

    def test_a_pickled_sink_puts_the_same(
        self, target: AnyPath, example: Example, uninterrupted: dict[str, bytes]
    ) -> None:
        """What a worker of a cluster does: it has a pickled sink; the writer adds the records of its shards."""
        writer = example.begin(target)
        sink = pickle.loads(pickle.dumps(writer.sink))
        for shard in writer.pending:
            writer.add_record(sink.put(shard, example.blocks(shard), example.rejected(shard)))
        assert writer.pending == example.begin(target).pending == []
        example.finish(writer)
        assert self.blobs.tree(target) == uninterrupted

    @pytest.mark.parametrize("change", [{"seed": 1}, {"n_rows": 11}], ids=["key", "schema"])
    def test_other_work_removes_finished_shards(
        self, target: AnyPath, example: Example, change: dict[str, int]
    ) -> None:
        example.begin(target, [0, 1])
        other = example.other(**change)
        writer = other.begin(target)
        assert writer.pending == [0, 1, 2]
        other.finish(writer)
        assert open_store(target).read(np.arange(8)).tobytes() == other.values("pooled")[0][:8].tobytes()

    def test_a_finished_store_is_replaced_as_a_whole(self, target: AnyPath, example: Example) -> None:
        old = example.write(target)
        before = self.blobs.tree(target)
        other = example.other(seed=1)
        other.begin(target, [0, 1])  # this writer dies
        assert self.blobs.tree(target) == before
        writer = other.begin(target, [2])
        assert open_store(target).key == old.key
        other.finish(writer)
        assert open_store(target).read(np.arange(10)).tobytes() == other.values("pooled")[0].tobytes()

    def test_other_columns_cost_no_feature(self, target: AnyPath, example: Example) -> None:
        old = example.write(target)
        other = example.other(generation=1)
        writer = other.begin(target)
        for shard in writer.pending:
            writer.put(shard, old.shard(shard), old.manifest.shards[shard].rejected)
        new = other.finish(writer)
        assert new.key == old.key
        assert new.frame["split"].tolist() == other.columns["split"].tolist()
        assert new.manifest.shards == old.manifest.shards

    def test_nothing_is_left_beside_a_finished_store(self, target: AnyPath, example: Example) -> None:
        example.write(target)
        example.other(seed=1).write(target)
        assert [path.name for path in target.parent.iterdir()] == [target.name]

    def test_what_a_writer_killed_after_the_move_leaves_is_not_resumed(self, target: AnyPath, example: Example) -> None:
        """The store is in place, its building folder not yet removed: the next writer must not use that folder."""
        writer = example.begin(target, [0, 1, 2])
        building = self.blobs.tree(building_folder(target))
        example.finish(writer)
        moved = {name for name in building if name.split("/")[0] == self.growing_name}
        self.blobs.write_tree(
            building_folder(target), {name: data for name, data in building.items() if name not in moved}
        )
        other = example.other(generation=1)
        assert other.is_content_of(other.write(target))
        assert [path.name for path in target.parent.iterdir()] == [target.name]

    def test_a_block_of_another_shape_or_type_is_refused(self, target: AnyPath, example: Example) -> None:
        writer = example.begin(target)
        blocks = example.blocks(0)
        for pooled in (blocks["pooled"][:, :-1], blocks["pooled"].astype("float32")):
            with pytest.raises(ValueError, match=r"block pooled: expected float16\(2, 4, 6\)"):
                writer.put(0, {**blocks, "pooled": pooled}, {})
        assert writer.pending == example.begin(target).pending == [0, 1, 2]

    @pytest.mark.parametrize(
        "values",
        [
            np.arange(9),
            np.array(["a"] * 9 + [None], dtype=object),
            np.array(["a"] * 10),
            np.array(["a"] * 9 + ["\0"], dtype=object),
            np.array(["a"] * 9 + ["name\udcff.png"], dtype=object),
        ],
        ids=["length", "None", "fixed width", "NUL", "surrogate"],
    )
    def test_a_column_that_would_not_come_back_is_refused(
        self, target: AnyPath, example: Example, values: np.ndarray[tuple[int], np.dtype[np.generic]]
    ) -> None:
        writer = example.begin(target, [0, 1, 2])
        with pytest.raises(ValueError, match="column wrong: expected"):
            writer.finish({**example.columns, "wrong": values}, {}, {})
        assert not store_exists(target)
