"""Finding the store of a dataset, whichever backend holds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.backends import BACKENDS, backend_of
from cache.errors import SchemaError, StoreIncompleteError, StoreMissingError
from cache.store import find_store, store_path
from cache.testing.example import Example


def write(root: Path, backend: str, example: Example) -> Path:
    return example.write(store_path(root, "some-encoder", "faces", backend)).path


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_only_store_is_found(tmp_path: Path, backend: str) -> None:
    path = write(tmp_path, backend, Example())
    assert find_store(tmp_path, "some-encoder", "faces").path == path


def test_of_two_equal_stores_one_is_found(tmp_path: Path) -> None:
    paths = {write(tmp_path, backend, Example()) for backend in BACKENDS}
    assert find_store(tmp_path, "some-encoder", "faces").path in paths


@pytest.mark.parametrize("change", [{"seed": 1}, {"generation": 1}], ids=["features", "splits"])
def test_two_different_stores_are_an_error_that_names_both(tmp_path: Path, change: dict[str, int]) -> None:
    write(tmp_path, "zarr", Example())
    write(tmp_path, "hdf5", Example().other(**change))
    with pytest.raises(
        StoreMissingError, match=r"faces\.zarr and .*faces\.h5 hold different features of faces: remove"
    ):
        find_store(tmp_path, "some-encoder", "faces")


def test_no_store_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError, match="fer-stage extract --dataset faces --encoder some-encoder"):
        find_store(tmp_path, "some-encoder", "faces")


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_unfinished_store_names_the_command_that_resumes_it(tmp_path: Path, backend: str) -> None:
    Example().begin(store_path(tmp_path, "some-encoder", "faces", backend), [0])
    with pytest.raises(
        StoreIncompleteError, match=f"1 of 3 shards. Run `.*--dataset faces .*--backend {backend} --features \\S+`"
    ):
        find_store(tmp_path, "some-encoder", "faces")


def test_an_unknown_ending_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SchemaError, match=r"the name of a store ends with one of \.zarr, \.h5"):
        backend_of(Path("features/faces.npz"))
