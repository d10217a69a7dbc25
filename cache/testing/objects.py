"""Objects: where nothing can be renamed a store is copied file by file, and exists once its metadata file does."""

from __future__ import annotations

import pytest

from cache.errors import StoreIncompleteError, StoreMissingError
from cache.places import AnyPath
from cache.places.objects import METADATA_FILE
from cache.store import open_store, store_exists
from cache.testing.base import BackendUnderTest
from cache.testing.example import Example
from cache.writing.unfinished import building_folder

__all__ = ["ObjectContract"]


class ObjectContract(BackendUnderTest):
    def test_files_without_a_metadata_file_are_no_store(self, target: AnyPath, example: Example) -> None:
        example.write(target)
        self.blobs.delete(f"{target}/{METADATA_FILE}")
        assert not store_exists(target)
        with pytest.raises(StoreMissingError, match="no store at"):
            open_store(target)

    def test_a_smaller_store_leaves_no_file_of_the_larger_one(self, target: AnyPath, example: Example) -> None:
        example.write(target)
        smaller = example.other(n_rows=3)
        smaller.write(target)
        expected = smaller.write(target.with_name(f"whole{self.suffix}"))
        assert self.blobs.tree(target) == self.blobs.tree(expected.path)

    def test_a_copy_that_stopped_is_begun_again(self, target: AnyPath, example: Example) -> None:
        """The old metadata file is gone, half of the new files are there: readers get an error, the writer resumes."""
        example.write(target)
        other = example.other(seed=1)
        other.begin(target, [0, 1, 2])
        self.blobs.delete(f"{target}/{METADATA_FILE}")
        for name in self.blobs.names(building_folder(target) / self.growing_name / "pooled"):
            inside = name.partition(f"/{self.growing_name}/")[2]
            self.blobs.write(f"{target}/{inside}", self.blobs.read(name))
        with pytest.raises(StoreIncompleteError, match="3 of 3 shards"):
            open_store(target)
        writer = other.begin(target)
        assert writer.pending == []
        assert other.is_content_of(other.finish(writer))
