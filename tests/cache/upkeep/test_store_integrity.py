"""verify: whatever is not what was written is found, all of it, with the rows it concerns."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr

from cache.errors import SchemaError, StoreDamagedError, StoreIncompleteError, StoreMissingError
from cache.manifest import Manifest
from cache.places import as_path
from cache.schema import ArraySpec
from cache.store import Store, open_store
from cache.testing.example import Example
from cache.upkeep.integrity import verify
from cache.upkeep.problems import Problem
from cache.writing.writer import StoreWriter

SUFFIXES = [".zarr", ".h5"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A Zarr store: a folder of files that can be damaged one by one."""
    path = tmp_path / "features" / "some-encoder" / "example.zarr"
    Example().write(path)
    return path


def flip(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(bytes(data))


def flip_feature(path: Path, name: str, view: int, row: int) -> None:
    """Turn over a bit of one row, past our writer."""
    shard, inside = divmod(row, 4)
    if path.suffix == ".zarr":
        spec = next(array for array in Example().arrays if array.name == name)
        flip(path.joinpath(name, "c", str(view), str(shard), *"0" * len(spec.row_shape)), inside * spec.row_bytes)
    else:
        with h5py.File(path, "r") as file:
            at = file[name].id.get_offset() + file[name][:view, :].nbytes + file[name][view, :row].nbytes
        flip(path, at)


def rewrite_manifest(path: Path, change: Callable[[Manifest], Manifest]) -> None:
    """A manifest with a right digest that says something else."""
    text = change(open_store(path).manifest).to_text()
    if path.suffix == ".zarr":
        zarr.open_group(path, mode="r+").attrs["fer_stage"] = text
    else:
        with h5py.File(path, "r+") as file:
            file["fer_stage"][()] = text


def facts(problems: list[Problem]) -> list[tuple[str, str, range | None]]:
    return [(problem.kind, problem.where.partition(": ")[2], problem.rows) for problem in problems]


def test_a_whole_store_has_no_problem(store: Store) -> None:
    calls: list[tuple[int, int]] = []
    assert verify(store, lambda done, n: calls.append((done, n))) == verify(store.path) == verify(str(store.path)) == []
    assert calls == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("n_rows", [1, 3, 4, 5, 8])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_number_of_rows_is_whole(tmp_path: Path, suffix: str, n_rows: int) -> None:
    assert verify(Example(n_rows=n_rows).write(tmp_path / f"example{suffix}")) == []


def test_a_store_in_memory_is_verified_too() -> None:
    path = as_path("memory://test_store_integrity/some-encoder/example.zarr")
    assert verify(Example().write(path)) == []
    (path / "pooled" / "c" / "1" / "2" / "0").unlink()
    assert facts(verify(path)) == [
        ("missing", "pooled/c/1/2/0", range(8, 10)),
        ("features", "pooled, view 1", range(8, 10)),
    ]


def test_chunks_smaller_than_a_shard_are_all_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cache.schema.CHUNK_BYTES", 12)  # one row of pooled: a chunk has one row
    store = Example().write(tmp_path / "example.zarr")
    assert verify(store) == []
    (tmp_path / "example.zarr" / "pooled" / "c" / "0" / "5" / "0").unlink()
    assert facts(verify(store))[0][2] == range(5, 6)


@pytest.mark.parametrize("view", [0, 1])
@pytest.mark.parametrize("name", ["pooled", "tokens", "pixels"])
def test_a_flipped_bit_is_found_with_its_rows(store: Store, name: str, view: int) -> None:
    assert isinstance(store.path, Path)
    flip_feature(store.path, name, view, row=5)
    assert facts(verify(store)) == [("features", f"{name}, view {view}", range(4, 8))]


def test_all_problems_are_listed_not_only_the_first(tree: Path) -> None:
    flip_feature(tree, "pooled", 0, row=0)
    flip_feature(tree, "pooled", 1, row=9)
    (tree / "tokens" / "c" / "0" / "1" / "0" / "0").unlink()
    flip(tree / "columns" / "label" / "c" / "0", 20)
    (tree / "note.txt").write_text("mine")
    assert set(facts(verify(tree))) == {
        ("features", "pooled, view 0", range(4)),
        ("features", "pooled, view 1", range(8, 10)),
        ("missing", "tokens/c/0/1/0/0", range(4, 8)),
        ("features", "tokens, view 0", range(4, 8)),
        ("column", "column label", None),
        ("foreign", "note.txt", None),
    }


def test_a_foreign_file_is_no_damage(tree: Path) -> None:
    (tree / "pooled" / "c" / "0" / "7").mkdir()
    (tree / "pooled" / "c" / "0" / "7" / "0").write_bytes(b"a chunk beyond the last")
    [problem] = verify(tree)
    assert not problem.is_damage
    assert problem.advice == "Delete it, unless you know what it is"


def test_a_missing_chunk_is_reported_even_where_zarr_would_give_the_right_values(tmp_path: Path) -> None:
    """Row 2 is rejected, its shard is all NaN, and NaN is what zarr reads where no chunk is."""
    store = Example(n_rows=3, shard_rows=1).write(tmp_path / "example.zarr")
    (tmp_path / "example.zarr" / "pooled" / "c" / "0" / "2" / "0").unlink()
    with pytest.raises(StoreDamagedError, match="rows 2-2 of pooled, view 0 cannot be read"):
        store.read_shard(2)
    assert facts(verify(store)) == [
        ("missing", "pooled/c/0/2/0", range(2, 3)),
        ("features", "pooled, view 0", range(2, 3)),
    ]


def test_truncated_chunks_are_found_in_every_view(tree: Path) -> None:
    for view in ("0", "1"):
        chunk = tree / "tokens" / "c" / view / "0" / "0" / "0"
        chunk.write_bytes(chunk.read_bytes()[:10])
    assert facts(verify(tree)) == [("features", f"tokens, view {view}", range(4)) for view in (0, 1)]


def test_a_missing_array_is_one_problem_and_the_others_are_read(tree: Path) -> None:
    shutil.rmtree(tree / "tokens")
    flip_feature(tree, "pixels", 0, row=0)
    assert facts(verify(tree)) == [("array", "tokens", range(10)), ("features", "pixels, view 0", range(4))]


def test_an_array_of_another_shape_or_type_is_named(tree: Path) -> None:
    for name, change in (("pooled", {"shape": [2, 9, 6]}), ("pixels", {"data_type": "int8"})):
        values = json.loads((tree / name / "zarr.json").read_text())
        (tree / name / "zarr.json").write_text(json.dumps(values | change))
    (tree / "tokens" / "zarr.json").write_text("{")
    problems = {problem.where.partition(": ")[2]: problem.what for problem in verify(tree)}
    assert problems["pooled"] == "expected float16(2, 10, 6), found float16(2, 9, 6)"
    assert problems["pixels"] == "expected uint8(2, 10, 4, 4, 3), found int8(2, 10, 4, 4, 3)"
    assert "cannot be read" in problems["tokens"]
    assert len(problems) == 3


def test_a_foreign_array_in_hdf5_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "example.h5"
    Example().write(path)
    with h5py.File(path, "r+") as file:
        file["mine"] = np.zeros(3)
    assert facts(verify(path)) == [("foreign", "mine", None)]


def test_missing_and_changed_columns_are_found(tree: Path) -> None:
    shutil.rmtree(tree / "columns" / "reason")
    zarr.open_array(tree / "columns" / "frame", mode="r+")[3] = 77
    assert facts(verify(tree)) == [("column", "column frame", None), ("column", "column reason", None)]


def test_a_manifest_that_is_not_what_was_written_is_the_problem(store: Store) -> None:
    assert isinstance(store.path, Path)
    text = store.manifest.to_text().replace('"n_rows":10', '"n_rows":9')
    if store.path.suffix == ".zarr":
        zarr.open_group(store.path, mode="r+").attrs["fer_stage"] = text
    else:
        with h5py.File(store.path, "r+") as file:
            file["fer_stage"][()] = text
    [problem] = verify(store.path)
    assert (problem.kind, problem.what) == ("manifest", "its manifest is not what was written")
    assert problem.advice.startswith("Restore the store")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"key": "0" * 64}, "its manifest: expected the digest of key_fields in key"),
        ({"shards": ()}, "its manifest: expected 3 records in shards"),
    ],
)
def test_a_manifest_that_was_written_wrong_is_found(store: Store, change: dict[str, Any], what: str) -> None:
    assert isinstance(store.path, Path)
    rewrite_manifest(store.path, lambda manifest: replace(manifest, **change))
    [problem] = verify(store.path)
    assert problem.kind == "manifest"
    assert problem.what.startswith(what)


def test_a_record_without_an_output_is_found(store: Store) -> None:
    assert isinstance(store.path, Path)
    short = replace(store.manifest.shards[1], checksums={"pooled": (1, 2)})
    shards = (store.manifest.shards[0], short, store.manifest.shards[2])
    rewrite_manifest(store.path, lambda manifest: replace(manifest, shards=shards))
    [problem] = verify(store.path)
    assert "of no other output in shards.1.crc32c" in problem.what


def test_sha256_is_compared_too(store: Store) -> None:
    assert isinstance(store.path, Path)
    other = replace(store.manifest.shards[2], sha256={**store.manifest.shards[2].sha256, "pooled": "0" * 64})
    rewrite_manifest(store.path, lambda manifest: replace(manifest, shards=(*manifest.shards[:2], other)))
    [problem] = verify(store.path)
    assert (problem.kind, problem.rows) == ("features", range(8, 10))
    assert "SHA-256" in problem.what


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_values_that_no_row_may_hold_are_found(tmp_path: Path, suffix: str) -> None:
    """They were written so: checksums are right, and the features cannot be trusted all the same."""
    example, target = Example(), tmp_path / f"example{suffix}"
    writer = StoreWriter(target, example.key, example.schema)
    for shard in writer.pending:
        blocks = example.blocks(shard)
        if shard == 0:
            blocks["pooled"][0, 1, 3] = np.inf  # a usable row
            blocks["tokens"][1, 2] = 0  # row 2 is rejected
            blocks["pixels"][0, 2, 0] = 9
            blocks["tokens"][1, 0] = np.nan  # a row without that view
            blocks["tokens"][1, 3, 0, 0] = np.nan  # half a row
        writer.put(shard, blocks, example.rejected(shard))
    example.finish(writer)
    assert sorted(facts(verify(target)), key=str) == sorted(
        [
            ("values", "pooled, view 0", range(1, 2)),
            ("values", "tokens, view 1", range(2, 3)),
            ("values", "tokens, view 1", range(3, 4)),
            ("values", "pixels, view 0", range(2, 3)),
        ],
        key=str,
    )


def test_a_rejected_row_that_its_column_calls_usable_is_found(tmp_path: Path) -> None:
    example = Example()
    writer = example.begin(tmp_path / "example.zarr", [0, 1, 2])
    columns = example.columns
    columns["status"][9] = "ok"
    writer.finish(columns, {"name": "example", "classes": []}, {})
    problems = facts(verify(tmp_path / "example.zarr"))
    assert ("column", "column status", range(9, 10)) in problems
    assert ("values", "pooled, view 0", range(9, 10)) in problems


def test_a_flipped_bit_anywhere_is_a_problem_or_changes_nothing(store: Store) -> None:
    """Also in metadata: no library's own error comes through."""
    assert isinstance(store.path, Path)
    files = [store.path] if store.path.is_file() else sorted(f for f in store.path.rglob("*") if f.is_file())
    rng, n_found = np.random.default_rng(2), 0
    for i in range(60):
        file = files[i % len(files)]
        before = file.read_bytes()
        flip(file, int(rng.integers(len(before))))
        n_found += bool(verify(store.path))
        file.write_bytes(before)
    assert n_found > 20
    assert verify(store.path) == []


def test_what_is_no_finished_store_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError):
        verify(tmp_path / "nothing.zarr")
    Example().begin(tmp_path / "half.zarr", [0])
    with pytest.raises(StoreIncompleteError, match="1 of 3 shards"):
        verify(tmp_path / "half.zarr")
    with pytest.raises(SchemaError, match="ends with one of"):
        verify(tmp_path / "photo.png")


def test_memory_does_not_grow_with_the_store(tmp_path: Path) -> None:
    """64 MB of features; shards are read in groups of 8 MB, and while one is checked the next is read."""
    example = Example(n_rows=16384, shard_rows=512, n_views=1, arrays=(ArraySpec("pooled", (1024,), "float32"),))
    store = example.write(tmp_path / "example.zarr")
    tracemalloc.start()
    try:
        assert verify(store) == []
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32e6
