"""The contract, for Zarr: in a folder, in memory and on an S3 server; and what only a tree of chunks can get wrong."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import zarr

from cache.places import AnyPath, as_path
from cache.testing.base import BackendUnderTest
from cache.testing.contract import FolderStoreContract, ObjectStoreContract
from cache.testing.example import Example
from cache.testing.interruptions import InterruptedInMemory
from cache.testing.processes import ReadElsewhereContract
from cache.testing.raw import Extent, MemoryBlobs, tree_bytes
from cache.testing.s3_server import S3Blobs, S3Server
from cache.writing.unfinished import building_folder


class ZarrBytes(BackendUnderTest):
    suffix = ".zarr"
    growing_name = "store.zarr"

    def extents(self, path: AnyPath) -> list[Extent]:
        outputs = ("pooled", "tokens", "pixels")
        return [self.blobs.extent(chunk) for output in outputs for chunk in self.blobs.names(path / output / "c")]

    def overwrite_column(self, path: AnyPath, name: str, values: npt.NDArray[Any]) -> None:
        array = zarr.open_array(str(path / "columns" / name), mode="r+")
        array[:] = values.astype(np.dtypes.StringDType()) if values.dtype == object else values

    def overwrite_manifest(self, path: AnyPath, text: str) -> None:
        entry = json.loads(self.blobs.read(f"{path}/zarr.json"))
        entry["attributes"]["fer_stage"] = text
        self.blobs.write(f"{path}/zarr.json", json.dumps(entry).encode())

    def make_foreign(self, path: AnyPath) -> None:
        zarr.create_group(str(path)).create_array("pooled", data=np.zeros((1, 2, 3)))


class TestZarrStore(ZarrBytes, FolderStoreContract):
    def test_every_chunk_is_on_disk_even_where_it_equals_the_fill_value(self, target: Path) -> None:
        Example(n_rows=3, shard_rows=1).write(target)
        assert len(self.extents(target)) == 3 * 3 * 2  # shards x outputs x views

    def test_torn_files_of_a_killed_writer_do_not_reach_the_store(self, target: Path, example: Example) -> None:
        """zarr writes `0.<random>.partial` and renames it; a kill in between leaves that name for ever."""
        example.begin(target, [0])
        torn = building_folder(target) / "store.zarr" / "pooled" / "c" / "0" / "1" / "0.5ca1ab1e.partial"
        torn.parent.mkdir()
        torn.write_bytes(b"half a chunk")
        example.write(target)
        example.write(other := target.with_name("whole.zarr"))
        assert tree_bytes(target) == tree_bytes(other)

    def test_a_chunk_never_crosses_a_shard(self, target: Path, example: Example) -> None:
        store = example.write(target)
        for array in store.manifest.schema.arrays:
            assert store.manifest.schema.shard_rows % zarr.open_array(target / array.name, mode="r").chunks[1] == 0


class TestZarrInMemory(ZarrBytes, ObjectStoreContract, InterruptedInMemory):
    blobs = MemoryBlobs()

    @pytest.fixture(scope="class")
    @classmethod
    def class_root(cls) -> Iterator[AnyPath]:
        class_root = as_path(f"memory://{uuid.uuid4().hex[:8]}")
        yield class_root
        cls.blobs.remove(class_root)


class TestZarrOnS3(ZarrBytes, ObjectStoreContract, ReadElsewhereContract):
    blobs = S3Blobs()
    n_flips, every = 6, 10

    @pytest.fixture(scope="class")
    @classmethod
    def class_root(cls, s3: S3Server) -> Iterator[AnyPath]:
        with s3.environment(AWS_ENDPOINT_URL=s3.past_the_gate):
            yield as_path(f"s3://{s3.bucket}/{uuid.uuid4().hex[:8]}")

    @pytest.fixture(scope="class")
    @classmethod
    def example(cls) -> Example:
        """Every array costs some requests: one output, few columns."""
        return Example(arrays=Example().arrays[:1], plain=True)
