"""Growing: a store is whole or says that it is not; a stopped writer goes on where it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from cache.errors import StoreIncompleteError, StoreMissingError
from cache.store import open_store
from cache.testing.base import BackendUnderTest
from cache.testing.example import Example
from cache.testing.raw import tree_bytes
from cache.writer import building_folder

__all__ = ["GrowingContract"]

COMMAND = r"fer-stage extract --dataset example --encoder some-encoder --backend \w+`"


class GrowingContract(BackendUnderTest):
    @pytest.fixture
    def whole(self, example: Example, tmp_path: Path) -> dict[str, bytes]:
        """The bytes of the example's store, written without any interruption."""
        path = tmp_path / "uninterrupted" / f"whole{self.suffix}"
        example.write(path)
        return tree_bytes(path)

    def journal(self, target: Path) -> Path:
        return building_folder(target) / "journal.jsonl"

    def test_a_missing_store_names_the_command_that_makes_it(self, target: Path) -> None:
        with pytest.raises(StoreMissingError, match=f"no store at .*{target.name}. Run `{COMMAND} first"):
            open_store(target)

    @pytest.mark.parametrize("n_done", [0, 1, 2, 3])
    def test_an_incomplete_store_says_how_far_it_is(self, target: Path, example: Example, n_done: int) -> None:
        example.begin(target, range(n_done))
        with pytest.raises(StoreIncompleteError, match=f"{n_done} of 3 shards. Run `{COMMAND} again: it resumes"):
            open_store(target)

    def test_finish_refuses_while_shards_are_pending(self, target: Path, example: Example) -> None:
        writer = example.begin(target, [0, 2])
        with pytest.raises(StoreIncompleteError, match="1 of 3 shards are pending"):
            writer.finish(example.columns, {}, {})
        assert not target.exists()

    @pytest.mark.parametrize("done", [(), (0,), (2, 0), (0, 1, 2)], ids=str)
    def test_resume_makes_only_what_is_pending(
        self, target: Path, example: Example, whole: dict[str, bytes], done: tuple[int, ...]
    ) -> None:
        example.begin(target, done)
        writer = example.begin(target)
        assert writer.pending == [shard for shard in range(3) if shard not in done]
        assert writer.rejected == {row: reason for shard in done for row, reason in example.rejected(shard).items()}
        example.finish(writer)
        assert tree_bytes(target) == whole

    @pytest.mark.parametrize("lost", [1, 20], ids=["the newline", "half a line"])
    def test_a_cut_journal_line_is_made_again(
        self, target: Path, example: Example, whole: dict[str, bytes], lost: int
    ) -> None:
        example.begin(target, [0, 1])
        journal = self.journal(target)
        journal.write_bytes(journal.read_bytes()[:-lost])
        writer = example.begin(target)
        assert writer.pending == [1, 2]
        example.put(writer, [1])
        assert example.begin(target).pending == [2]  # the new line did not merge with the cut one
        example.finish(writer)
        assert tree_bytes(target) == whole

    def test_a_spoiled_journal_line_is_made_again(self, target: Path, example: Example) -> None:
        example.begin(target, [0, 1])
        journal = self.journal(target)
        journal.write_bytes(journal.read_bytes().replace(b'"shard":0', b'"shrad":0'))
        assert example.begin(target).pending == [0, 2]

    def test_a_torn_block_is_written_over(self, target: Path, example: Example, whole: dict[str, bytes]) -> None:
        """A kill between two blocks leaves a block that the journal does not name; its content cannot be trusted."""
        example.other(seed=9).begin(target, [0])
        plan = building_folder(target) / "plan.json"
        plan.write_text(plan.read_text().replace(example.other(seed=9).key.digest, example.key.digest))
        self.journal(target).unlink()
        example.finish(example.begin(target))
        assert tree_bytes(target) == whole

    @pytest.mark.parametrize("change", [{"seed": 1}, {"n_rows": 11}], ids=["key", "schema"])
    def test_other_work_sweeps_what_was_begun(self, target: Path, example: Example, change: dict[str, int]) -> None:
        example.begin(target, [0, 1])
        other = example.other(**change)
        writer = other.begin(target)
        assert writer.pending == [0, 1, 2]
        other.finish(writer)
        assert open_store(target).read(np.arange(8)).tobytes() == other.values("pooled")[0][:8].tobytes()

    def test_a_finished_store_is_replaced_as_a_whole(self, target: Path, example: Example) -> None:
        old = example.write(target)
        before = tree_bytes(target)
        other = example.other(seed=1)
        other.begin(target, [0, 1])  # this writer dies
        assert tree_bytes(target) == before
        writer = other.begin(target, [2])
        assert open_store(target).key == old.key
        other.finish(writer)
        assert open_store(target).read(np.arange(10)).tobytes() == other.values("pooled")[0].tobytes()

    def test_other_columns_cost_no_feature(self, target: Path, example: Example) -> None:
        old = example.write(target)
        other = example.other(generation=1)
        writer = other.begin(target)
        for shard in writer.pending:
            writer.copy(shard, old)
        new = other.finish(writer)
        assert new.key == old.key
        assert new.frame["split"].tolist() == other.columns["split"].tolist()
        assert new.manifest.shards == old.manifest.shards

    def test_nothing_is_left_beside_a_finished_store(self, target: Path, example: Example) -> None:
        example.write(target)
        example.other(seed=1).write(target)
        assert list(target.parent.iterdir()) == [target]

    def test_a_writer_killed_after_the_move_leaves_no_trap(
        self, target: Path, example: Example, tmp_path: Path
    ) -> None:
        """The store is in place, its building folder not yet swept: the next writer must not trust that folder."""
        writer = example.begin(target, [0, 1, 2])
        shutil.copytree(building_folder(target), tmp_path / "kept")
        example.finish(writer)
        shutil.rmtree(tmp_path / "kept" / self.growing_name, ignore_errors=True)
        shutil.copytree(tmp_path / "kept", building_folder(target))
        other = example.other(generation=1)
        assert other.write(target).frame["split"].tolist() == other.columns["split"].tolist()
        assert list(target.parent.iterdir()) == [target]

    def test_a_writer_killed_between_two_moves_loses_nothing(self, target: Path, example: Example) -> None:
        """The old store was moved aside, the new one not yet into its place."""
        example.write(target)
        other = example.other(seed=1)
        other.begin(target, [0, 1, 2])
        target.rename(target.with_name(f".{target.name}.replaced"))
        with pytest.raises(StoreIncompleteError, match="3 of 3 shards"):
            open_store(target)
        writer = other.begin(target)
        assert writer.pending == []
        assert other.finish(writer).key == other.key.digest

    def test_a_block_of_another_shape_or_type_is_refused(self, target: Path, example: Example) -> None:
        writer = example.begin(target)
        blocks = example.blocks(0)
        for pooled in (blocks["pooled"][:, :-1], blocks["pooled"].astype("float32")):
            with pytest.raises(ValueError, match=r"block pooled: expected float16\(2, 4, 6\)"):
                writer.put(0, {**blocks, "pooled": pooled}, {})
        assert writer.pending == example.begin(target).pending == [0, 1, 2]

    @pytest.mark.parametrize(
        "values", [np.arange(9), np.array(["a"] * 9 + [None], dtype=object), np.array(["a"] * 10)], ids=repr
    )
    def test_a_column_that_would_not_come_back_is_refused(
        self, target: Path, example: Example, values: np.ndarray[tuple[int], np.dtype[np.generic]]
    ) -> None:
        writer = example.begin(target, [0, 1, 2])
        with pytest.raises(ValueError, match="column wrong: expected"):
            writer.finish({**example.columns, "wrong": values}, {}, {})
        assert not target.exists()
