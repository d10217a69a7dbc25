"""What the parts of the contract share: where a store is, and raw access that the subclass gives."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt
import pytest

from cache.places import AnyPath
from cache.store import Store
from cache.testing.example import Example
from cache.testing.raw import Blobs, DiskBlobs, Extent
from cache.writing.unfinished import building_folder

__all__ = ["BackendUnderTest", "record_blob", "store_target"]


def store_target(root: AnyPath, name: str) -> AnyPath:
    """Where users have a store: `features/<encoder>/<dataset>`."""
    return root / "features" / "some-encoder" / name


def record_blob(target: AnyPath, shard: int) -> str:
    """The blob in which the writer of `target` noted that a shard is finished."""
    return f"{building_folder(target)}/records/{shard:06d}.json"


class BackendUnderTest(ABC):
    """One backend at one kind of place. The methods write and look past our own reader and writer."""

    suffix: str
    growing_name: str  # of the store inside the building folder, before it is moved into place
    blobs: Blobs = DiskBlobs()

    @abstractmethod
    def extents(self, path: AnyPath) -> list[Extent]:
        """Where the features are: all bytes of all outputs of the finished store at `path`."""

    @abstractmethod
    def overwrite_column(self, path: AnyPath, name: str, values: npt.NDArray[Any]) -> None:
        """Change a column's values, and nothing else."""

    @abstractmethod
    def overwrite_manifest(self, path: AnyPath, text: str) -> None:
        """Change the manifest's text, and nothing else."""

    @abstractmethod
    def make_foreign(self, path: AnyPath) -> None:
        """A valid file of the same format that is no fer-stage store."""

    @pytest.fixture(scope="class")
    @classmethod
    def class_root(cls, tmp_path_factory: pytest.TempPathFactory) -> AnyPath:
        """The folder below which all tests of the class write, on a disk unless the subclass has another one."""
        return tmp_path_factory.mktemp("class_root")

    @pytest.fixture
    def root(self, class_root: AnyPath) -> AnyPath:
        """A folder for one test alone."""
        return class_root / uuid.uuid4().hex[:8]

    @pytest.fixture
    def target(self, root: AnyPath) -> AnyPath:
        """Where a store will be."""
        return store_target(root, f"example{self.suffix}")

    @pytest.fixture(scope="class")
    @classmethod
    def example(cls) -> Example:
        return Example()

    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, class_root: AnyPath) -> Store:
        """`Example()`, written once: for tests that only read."""
        return Example().write(store_target(class_root / "read-only", f"example{cls.suffix}"))

    @pytest.fixture
    def damaged(self, store: Store) -> Iterator[Store]:
        """The same, for tests that damage it: it is restored afterwards."""
        with self.blobs.restored(store.path):
            yield store
