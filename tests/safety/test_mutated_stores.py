"""Messages about a store from elsewhere, plans and records of an unfinished one, and the limits of its reader.

Every change of a whole store is in `test_store_readers`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from mutations import mutations, within_time

from cache.backends.zarr_chunks import ChunkLimit, zstd_size
from cache.errors import SchemaError, StoreDamagedError, StoreIncompleteError
from cache.keys import canonical_json, sha256_of
from cache.places import read_limited
from cache.store import Store, open_store
from cache.testing.example import Example
from cache.upkeep.inventory import statuses_below
from cache.writing.plan import RecordFiles, read_plan
from cache.writing.unfinished import building_folder, unfinished
from stages.remedies import as_commands


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Zarr store, whole."""
    path = tmp_path_factory.mktemp("project") / "features" / "some-encoder" / "example.zarr"
    Example().write(path)
    return path


@contextmanager
def replaced(file: Path, data: bytes) -> Iterator[None]:
    before = file.read_bytes()
    file.write_bytes(data)
    try:
        yield
    finally:
        file.unlink()
        file.write_bytes(before)


def with_digest(manifest: dict[str, Any]) -> str:
    values = {name: value for name, value in manifest.items() if name != "digest"}
    try:
        return canonical_json({**values, "digest": sha256_of(values)})
    except ValueError:  # NaN and infinity have no canonical JSON: the digest cannot be right
        return json.dumps({**values, "digest": "0" * 64})


def manifest_of(path: Path) -> dict[str, Any]:
    return dict(json.loads(json.loads((path / "zarr.json").read_text())["attributes"]["fer_stage"]))


def in_group(path: Path, manifest: dict[str, Any]) -> bytes:
    group = json.loads((path / "zarr.json").read_text())
    group["attributes"]["fer_stage"] = with_digest(manifest)
    return json.dumps(group).encode()


def test_the_error_names_the_field(tree: Path) -> None:
    for name, change in {
        "schema.n_rows": lambda m: m["schema"].update(n_rows=-1),
        "schema.shard_rows": lambda m: m["schema"].update(shard_rows=0),
        "schema.arrays.0.dtype": lambda m: m["schema"]["arrays"][0].update(dtype="evil"),
        "schema.arrays.0.name": lambda m: m["schema"]["arrays"][0].update(name="../../outside"),
        "schema.arrays.0.row_shape": lambda m: m["schema"]["arrays"][0].update(row_shape=[10**12]),
        "shards.1.crc32c.pooled": lambda m: m["shards"][1]["crc32c"].update(pooled=[1]),
        "shards": lambda m: m.update(shards=None),
        "columns.status": lambda m: (
            m.update(columns={}) or m["columns"].update(id="0" * 64, label="0" * 64, split="0" * 64)
        ),
        "dataset.name": lambda m: m["dataset"].update(name="../../outside"),
        "key_fields": lambda m: m.update(key_fields=None),
        "provenance.encoder_note": lambda m: m["provenance"].update(encoder_note=["x"]),
    }.items():
        manifest = manifest_of(tree)
        change(manifest)
        with (
            replaced(tree / "zarr.json", in_group(tree, manifest)),
            pytest.raises(SchemaError, match=rf"example\.zarr: its manifest: expected .* in {name}, found .*Restore"),
        ):
            open_store(tree)


def test_a_shape_that_manifest_and_metadata_share_is_refused_before_it_is_listed(tree: Path) -> None:
    manifest = manifest_of(tree)
    manifest["schema"]["n_rows"] = 10**9
    with (
        replaced(tree / "zarr.json", in_group(tree, manifest)),
        within_time(),
        pytest.raises(SchemaError, match="expected 250000000 records in shards"),
    ):
        open_store(tree)


@pytest.fixture
def growing(tmp_path: Path) -> Path:
    """The place of a store whose writer was stopped after one shard."""
    target = tmp_path / "features" / "my encoder" / "faces.zarr"
    Example().begin(target, [0])
    return target


def test_every_field_of_a_plan_is_checked_or_changes_nothing(growing: Path) -> None:
    plan = building_folder(growing) / "plan.json"
    for change, values in mutations(json.loads(plan.read_text())):
        with replaced(plan, json.dumps(values).encode()), within_time():
            left = unfinished(growing)
            assert left is None or left.progress in ("1 of 3 shards", "0 of 3 shards"), change
            assert all(found.path == growing for found in statuses_below(growing.parent))


def test_every_field_of_a_record_is_checked_or_its_shard_is_made_again(growing: Path) -> None:
    folder = building_folder(growing)
    record = folder / "records" / "000000.json"
    records = RecordFiles(folder, Example().schema)
    whole = records.read()
    for change, values in mutations(json.loads(record.read_text())):
        with replaced(record, with_digest(values).encode()), within_time():
            found = records.read()
            assert set(found) <= {0, 1, 2}, change
            assert all(len(r.checksums) == len(whole[0].checksums) for r in found.values()), change


def test_a_command_in_a_plan_is_never_advice(growing: Path) -> None:
    plan = building_folder(growing) / "plan.json"
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"command": "echo owned; fer-stage \x1b[8m"}))
    with pytest.raises(StoreIncompleteError) as caught:
        open_store(growing)
    message = as_commands(caught.value)
    assert "owned" not in message
    assert "fer-stage extract --dataset faces --encoder 'my encoder' --backend zarr" in message
    assert "owned" not in repr(read_plan(building_folder(growing)))


def test_a_pipe_in_place_of_an_hdf5_store_is_an_error_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "example.h5")
    with within_time(), pytest.raises(SchemaError, match="found a pipe, a device or a socket"):
        open_store(tmp_path / "example.h5")


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_limited(tmp_path / "file", 5) == b"12345"
    with pytest.raises(StoreDamagedError, match="expected at most 4 bytes, found 5"):
        read_limited(tmp_path / "file", 4)


def test_a_chunk_that_unpacks_to_more_than_its_shape_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    frame = pa.compress(bytes(1000), codec="zstd", asbytes=True)
    assert zstd_size(frame) == 1000
    ChunkLimit(1000, compressed=True).require(frame)
    with pytest.raises(ValueError, match="unpacks to at most 999 bytes, found 1000"):
        ChunkLimit(999, compressed=True).require(frame)
    with pytest.raises(ValueError, match="expected 7 texts in a chunk, found 8"):
        ChunkLimit(1000, n_texts=7, compressed=True).require(
            pa.compress((8).to_bytes(4, "little"), codec="zstd", asbytes=True)
        )


@pytest.fixture
def h5(tmp_path: Path) -> Store:
    return Example().write(tmp_path / "some-encoder" / "example.h5")


def test_texts_of_hdf5_are_bounded_by_their_references(h5: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cache.backends.hdf5_store.text_limit", lambda _n: 100)
    assert isinstance(h5.path, Path)
    with pytest.raises(StoreDamagedError, match="expected texts of at most 100 bytes together"):
        open_store(h5.path).columns(["id"])
