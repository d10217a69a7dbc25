"""The contract, for HDF5; and what only a single file can get wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from cache.testing.contract import FolderStoreContract
from cache.testing.example import Example
from cache.testing.raw import Extent


class TestHdf5Store(FolderStoreContract):
    suffix = ".h5"
    growing_name = "store.h5"
    n_flips = 150  # reading is fast, and one file holds everything

    def extents(self, path: Path) -> list[Extent]:
        with h5py.File(path, "r") as file:
            ids = [file[name].id for name in ("pooled", "tokens", "pixels")]
            return [Extent(self.blobs, str(path), i.get_offset(), i.get_offset() + i.get_storage_size()) for i in ids]

    def overwrite_column(self, path: Path, name: str, values: npt.NDArray[Any]) -> None:
        with h5py.File(path, "r+") as file:
            file[f"columns/{name}"][:] = values

    def overwrite_manifest(self, path: Path, text: str) -> None:
        with h5py.File(path, "r+") as file:
            file["fer_stage"][()] = text

    def make_foreign(self, path: Path) -> None:
        path.parent.mkdir(parents=True)
        with h5py.File(path, "w") as file:
            file["pooled"] = np.zeros((1, 2, 3))

    def test_features_lie_in_one_piece(self, target: Path, example: Example) -> None:
        """Contiguous arrays read at the speed of the disk; a chunked layout would be found here."""
        example.write(target)
        with h5py.File(target, "r") as file:
            assert all(file[array.name].chunks is None for array in example.arrays)

    def test_no_hdf5_file_is_open_while_a_store_grows(self, target: Path, example: Example) -> None:
        """A killed HDF5 writer leaves a file that nobody can open."""
        example.begin(target, [0, 1])
        assert not list(target.parent.rglob("*.h5"))
