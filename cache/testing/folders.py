"""Folders: what can be in the way on a disk, and the moment between two renames."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.errors import SchemaError, StoreIncompleteError
from cache.store import open_store
from cache.testing.base import BackendUnderTest
from cache.testing.example import Example

__all__ = ["FolderContract"]


class FolderContract(BackendUnderTest):
    def test_a_file_of_anything_is_refused(self, target: Path) -> None:
        target.parent.mkdir(parents=True)
        target.write_bytes(b"anything")
        with pytest.raises(SchemaError, match=f"{target} is not a fer-stage store"):
            open_store(target)

    def test_an_empty_folder_is_refused(self, target: Path) -> None:
        target.mkdir(parents=True)
        with pytest.raises(SchemaError, match=f"{target} is not a fer-stage store"):
            open_store(target)

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
        assert other.is_content_of(other.finish(writer))
