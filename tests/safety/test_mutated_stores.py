"""A store that somebody else could have written: every change of it is an error of ours, or changes nothing.

`kind` marks an error of ours. The changes are made to one small store; a manifest gets the digest that fits it.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
from mutations import mutations

from cache.backends.zarr_chunks import ChunkLimit, zstd_size
from cache.comparison import Side, compare
from cache.errors import CacheError, SchemaError, StoreDamagedError, StoreIncompleteError
from cache.integrity import verify
from cache.inventory import begun_key, standing_below
from cache.keys import canonical_json, sha256_of
from cache.manifest import Records
from cache.places import read_limited
from cache.plan import read_plan
from cache.store import Store, open_store
from cache.testing.example import Example
from cache.writer import building_folder, unfinished

LIMIT_S = 20


@contextmanager
def within_time() -> Iterator[None]:
    def late(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"not done after {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


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


def read_everything(store: Store) -> bytes:
    """What readers see of a store: `query`, `info`, `why` and a full read."""
    assert not compare(Side.of(store), Side.of(store))
    rows, views = np.arange(len(store)), range(store.n_views())
    outputs = [array.name for array in store.manifest.schema.arrays]
    values = b"".join(store.read(rows, name, view).tobytes() for name in outputs for view in views)
    assert (store.dataset, store.classes, store.encoder) is not None
    return values + store.frame.to_csv().encode() + store.select("status == 'ok'").frame.to_csv().encode()


def outcome(path: Path, read: Callable[[Store], bytes] = read_everything) -> tuple[bytes | None, str]:
    """What is read, or the message of an error of ours; anything else is a failure."""
    with within_time():
        try:
            return read(open_store(path)), ""
        except CacheError as error:  # all of them have a kind
            return None, str(error)


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


# Fields that describe the store or its rejected rows: another value of the right type is read as it is.
_FREE = ("key_fields.", "dataset.", "provenance", "arrays", "digest")


def test_every_field_of_a_manifest_is_named_when_it_is_wrong_or_changes_nothing(tree: Path) -> None:
    whole, _ = outcome(tree)
    n_refused = 0
    for change, manifest in mutations(manifest_of(tree)):
        with replaced(tree / "zarr.json", in_group(tree, manifest)):
            values, message = outcome(tree)
        field = change.split(" ")[0]
        other_columns = field.startswith("columns.") and change.endswith(" is missing")  # a store may lack them
        assert values is None or values == whole or other_columns, change
        if values is None:
            n_refused += 1
            assert str(tree) in message, (change, message)
        else:
            assert field.startswith(_FREE) or ".rejected" in field or other_columns, change
    assert n_refused > 500


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


@pytest.mark.parametrize("name", ["pooled", "pixels", "columns/id", "columns/frame"])
def test_every_field_of_an_arrays_metadata_is_damage_or_changes_nothing(tree: Path, name: str) -> None:
    """One altered number there kept `verify` busy without end."""

    def read(store: Store) -> bytes:
        column = name.removeprefix("columns/")
        return (
            store.read(np.arange(10), name).tobytes() if column == name else store.columns([column]).to_csv().encode()
        )

    whole, entry = read(open_store(tree)), tree / name / "zarr.json"
    for number, (change, metadata) in enumerate(mutations(json.loads(entry.read_text()))):
        with replaced(entry, json.dumps(metadata).encode()), within_time():
            values, message = outcome(tree, read)
            assert values in (None, whole), change
            if values is None:
                assert name.rpartition("/")[2] in message, (change, message)
                assert number % 10 or verify(tree), change  # reading everything takes longer


@pytest.mark.parametrize("name", ["", "columns"])
def test_every_field_of_a_groups_metadata_is_an_error_or_changes_nothing(tree: Path, name: str) -> None:
    whole, _ = outcome(tree)
    entry = tree / name / "zarr.json"
    for change, metadata in mutations(json.loads(entry.read_text())):
        with replaced(entry, json.dumps(metadata).encode()):
            assert outcome(tree)[0] in (None, whole), change


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
            assert begun_key(growing) is None or left is not None
            assert all(found.path == growing for found in standing_below(growing.parent))


def test_every_field_of_a_record_is_checked_or_its_shard_is_made_again(growing: Path) -> None:
    folder = building_folder(growing)
    record = folder / "records" / "000000.json"
    whole = Records(folder).read()
    for change, values in mutations(json.loads(record.read_text())):
        with replaced(record, with_digest(values).encode()), within_time():
            found = Records(folder).read()
            assert set(found) <= {0, 1, 2}, change
            assert all(len(r.checksums) == len(whole[0].checksums) for r in found.values()), change


def test_a_command_in_a_plan_is_never_advice(growing: Path) -> None:
    plan = building_folder(growing) / "plan.json"
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"command": "echo owned; fer-stage \x1b[8m"}))
    with pytest.raises(StoreIncompleteError) as caught:
        open_store(growing)
    assert "owned" not in str(caught.value)
    assert "fer-stage extract --dataset faces --encoder 'my encoder' --backend zarr" in str(caught.value)
    assert "owned" not in repr(read_plan(building_folder(growing)))


@pytest.mark.parametrize(
    "name", ["zarr.json", "pooled/zarr.json", "pooled/c/0/0/0", "columns/id/zarr.json", "columns/id/c/0"]
)
def test_a_pipe_in_place_of_a_file_is_an_error_at_once(tmp_path: Path, tree: Path, name: str) -> None:
    path = tmp_path / "example.zarr"
    shutil.copytree(tree, path)
    (path / name).unlink()
    os.mkfifo(path / name)
    with within_time():
        assert outcome(path)[0] is None
        assert any(problem.is_damage for problem in verify(path))


def test_a_pipe_in_place_of_an_hdf5_store_is_an_error_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "example.h5")
    with within_time(), pytest.raises(SchemaError, match="found a pipe, a device or a socket"):
        open_store(tmp_path / "example.h5")


@pytest.mark.parametrize(
    "name", ["zarr.json", "pooled/zarr.json", "pooled/c/0/0/0", "columns/id/zarr.json", "columns/id/c/0"]
)
def test_a_file_of_many_gigabytes_is_not_read(tmp_path: Path, tree: Path, name: str) -> None:
    path = tmp_path / "example.zarr"
    shutil.copytree(tree, path)
    os.truncate(path / name, 5 * 10**9)  # takes no space on the disk
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    values, message = outcome(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 10**6  # kB on Linux; bytes on macOS
    assert values is None
    assert "expected at most" in message
    assert any(problem.is_damage for problem in verify(path))


def test_a_plan_or_record_of_many_gigabytes_is_not_read(growing: Path) -> None:
    folder = building_folder(growing)
    os.truncate(folder / "records" / "000000.json", 5 * 10**9)
    assert Records(folder).read() == {}
    os.truncate(folder / "plan.json", 5 * 10**9)
    assert read_plan(folder) is None


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


def test_arrays_of_hdf5_that_do_not_lie_as_the_manifest_says_are_damage(h5: Store, tmp_path: Path) -> None:
    def changed(name: str, change: Callable[[h5py.File], object]) -> None:
        path = tmp_path / "changed.h5"
        shutil.copyfile(h5.path, path)
        with h5py.File(path, "r+") as file:
            del file[name]
            change(file)
        assert outcome(path)[0] is None
        assert any(problem.is_damage for problem in verify(path)), name

    shape, ids = h5.manifest.schema, Example().columns["id"]
    v, n = shape.n_views, shape.n_rows
    (tmp_path / "other.bin").write_bytes(bytes(10**4))
    changed("pooled", lambda f: f.create_dataset("pooled", (v, 10**6, 6), "float16"))
    changed("pooled", lambda f: f.create_dataset("pooled", (v, n, 6), "float16", chunks=(1, n, 6), compression="gzip"))
    changed("pooled", lambda f: f.create_dataset("pooled", (v, n, 6), "float16", external=[("other.bin", 0, 240)]))
    changed("pooled", lambda f: f.__setitem__("pooled", h5py.ExternalLink("example.h5", "/pooled")))
    changed("pooled", lambda f: f.__setitem__("pooled", h5py.SoftLink("/tokens")))
    changed("pooled", lambda f: f.create_group("pooled"))
    changed("columns/id", lambda f: f.create_dataset("columns/id", data=ids[:-1], dtype=h5py.string_dtype()))
    changed("columns/id", lambda f: f.create_dataset("columns/id", (10**6,), dtype=h5py.string_dtype()))
    changed("columns/id", lambda f: f.create_dataset("columns/id", data=np.arange(n)))
    changed("fer_stage", lambda f: f.create_dataset("fer_stage", data=np.arange(n)))
    changed("fer_stage", lambda f: f.create_dataset("fer_stage", (10**6,), dtype=h5py.string_dtype()))


def test_texts_of_hdf5_are_bounded_by_their_references(h5: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cache.backends.hdf5_store.text_limit", lambda _n: 100)
    assert isinstance(h5.path, Path)
    with pytest.raises(StoreDamagedError, match="expected texts of at most 100 bytes together"):
        open_store(h5.path).columns(["id"])
