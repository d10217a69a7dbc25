"""The contract, for Zarr; and what only a folder of chunks can get wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from cache.testing.contract import StoreContract
from cache.testing.example import Example
from cache.testing.raw import Extent, files, tree_bytes
from cache.writer import building_folder


class TestZarrStore(StoreContract):
    suffix = ".zarr"
    growing_name = "store.zarr"

    def extents(self, path: Path) -> list[Extent]:
        chunks = [file for name in ("pooled", "tokens", "pixels") for file in files(path / name / "c")]
        return [Extent(chunk, 0, chunk.stat().st_size) for chunk in chunks]

    def overwrite_column(self, path: Path, name: str, values: npt.NDArray[Any]) -> None:
        array = zarr.open_array(path / "columns" / name, mode="r+")
        array[:] = values.astype(np.dtypes.StringDType()) if values.dtype == object else values

    def overwrite_manifest(self, path: Path, text: str) -> None:
        zarr.open_group(path, mode="r+").attrs["fer_stage"] = text

    def make_foreign(self, path: Path) -> None:
        zarr.create_group(path).create_array("pooled", data=np.zeros((1, 2, 3)))

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
        example.write(whole := target.with_name("whole.zarr"))
        assert tree_bytes(target) == tree_bytes(whole)

    def test_a_chunk_never_crosses_a_shard(self, target: Path, example: Example) -> None:
        store = example.write(target)
        for array in store.manifest.schema.arrays:
            assert store.manifest.schema.shard_rows % zarr.open_array(target / array.name, mode="r").chunks[1] == 0
