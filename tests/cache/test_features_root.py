"""Finding the store of a dataset, whichever backend holds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.backends import BACKENDS, backend_of
from cache.errors import QueryError, SchemaError, StoreIncompleteError, StoreMissingError
from cache.features_root import find_store, store_path
from cache.keys import StoreKey
from cache.store import open_store
from cache.testing.example import Example
from cache.writing.writer import StoreWriter


def write(root: Path, backend: str, example: Example) -> Path:
    return example.write(store_path(root, "some-encoder", "faces", backend)).path


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_only_store_is_found(tmp_path: Path, backend: str) -> None:
    path = write(tmp_path, backend, Example())
    assert find_store(tmp_path, "some-encoder", "faces").path == path


def test_of_two_equal_stores_one_is_found(tmp_path: Path) -> None:
    paths = {write(tmp_path, backend, Example()) for backend in BACKENDS}
    assert find_store(tmp_path, "some-encoder", "faces").path in paths


@pytest.mark.parametrize(
    ("change", "other"), [({"seed": 1}, r"key\.\w+"), ({"generation": 1}, r"columns\.split")], ids=str
)
def test_two_different_stores_are_an_error_that_names_both(tmp_path: Path, change: dict[str, int], other: str) -> None:
    write(tmp_path, "zarr", Example())
    write(tmp_path, "hdf5", Example().other(**change))
    with pytest.raises(
        StoreMissingError,
        match=rf"faces\.zarr and .*faces\.h5 are two stores of faces that differ in .*{other}.*: remove",
    ):
        find_store(tmp_path, "some-encoder", "faces")


def test_no_store_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError) as missing:
        find_store(tmp_path, "some-encoder", "faces")
    [(command, arguments)] = missing.value.remedy
    assert command == "extract"
    assert arguments == {
        "dataset": "faces",
        "encoder": "some-encoder",
        "backend": "zarr",
        "features": str(tmp_path),
    }


def test_a_path_without_the_folder_of_an_encoder_has_no_command(tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError, match=r"no store at no\.zarr: expected FEATURES/ENCODER") as missing:
        open_store("no.zarr")
    assert not missing.value.remedy


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_unfinished_store_names_the_command_that_resumes_it(tmp_path: Path, backend: str) -> None:
    Example().begin(store_path(tmp_path, "some-encoder", "faces", backend), [0])
    with pytest.raises(StoreIncompleteError, match="1 of 3 shards") as incomplete:
        find_store(tmp_path, "some-encoder", "faces")
    [(command, arguments)] = incomplete.value.remedy
    assert command == "extract"
    assert arguments == {
        "dataset": "faces",
        "encoder": "some-encoder",
        "backend": backend,
        "features": str(tmp_path),
        "outputs": ["pooled", "tokens", "pixels"],
        "views": 2,
        "dtype": "float16",
    }


def test_an_unknown_suffix_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SchemaError, match=r"the name of a store ends with one of \.zarr, \.h5"):
        backend_of(Path("features/faces.npz"))


def test_two_stores_with_other_labels_are_different_stores(tmp_path: Path) -> None:
    """The same features and splits: it is the labels that differ, and the error names them."""
    write(tmp_path, "zarr", Example())
    other = open_store(write(tmp_path, "hdf5", Example()))
    schema = other.manifest.schema
    columns = {name: other.backend.read_column(other.path, schema, name) for name in other.manifest.columns}
    columns["label"] = columns["label"][::-1].copy()
    other.path.unlink()
    writer = StoreWriter(other.path, StoreKey.from_fields(other.manifest.key_fields), other.manifest.schema)
    for shard in writer.pending:
        writer.put(shard, open_store(store_path(tmp_path, "some-encoder", "faces", "zarr")).shard(shard), {})
    writer.finish(columns, other.manifest.dataset, other.manifest.provenance)
    with pytest.raises(StoreMissingError, match=r"differ in columns\.label"):
        find_store(tmp_path, "some-encoder", "faces")


def test_a_list_of_datasets_is_no_name_to_extract(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"name of one dataset, found 'a,b': a list\. Name each one by itself"):
        find_store(tmp_path, "mini", "a,b")
