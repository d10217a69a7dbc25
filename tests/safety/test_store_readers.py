"""Every reader of a store from elsewhere: an error that names file and field, or unchanged results, in bounded memory.

A store from elsewhere may hold anything, also with a right digest: whoever changes a manifest can compute one.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from mutations import SECONDS, mutations, within_time

from cache.backends.base import MANIFEST
from cache.columns import column_digests
from cache.errors import CacheError, StorageError
from cache.keys import StoreKey, canonical_json, sha256_of
from cache.store import Store, open_store
from cache.testing.example import Example
from cache.upkeep.comparison import Side, compare
from cache.upkeep.integrity import verify
from cache.upkeep.inventory import status_at
from cache.writing.unfinished import building_folder
from cache.writing.writer import StoreWriter
from pipeline.images.alignment import Alignment
from stages.params import ExtractParams
from stages.remedies import command_line
from stages.workflows.extract_arguments import extract_arguments
from stages.workflows.report import store_summary
from stages.workflows.store_encoder import alignment_of
from stages.workflows.stores import description_of

EXAMPLE = Example(n_rows=5, shard_rows=3, arrays=Example().arrays[:2])
DATASET = {
    "name": "example",
    "layout": "sample",
    "release": "1",
    "classes": ["surprise", "fear", "neutral"],
    "options": {"classes": 7},
}
PROVENANCE = {
    "encoder": "some-encoder",
    "encoder_spec": "open_clip:ViT-B-32-quickgelu/openai",
    "encoder_note": "a note",
    "encoder_saw": ["sample"],
    "device": "cpu",
    "versions": {"torch": "2.9"},
    "parity": {"pooled": {"cosine": 0.9999, "relative": 0.001}},
    "reused": {},
}
FIELDS: dict[str, Any] = {
    "encoder": {"family": "open_clip", "weights": "0" * 64},
    "preprocess": {"size": 4, "alignment": Alignment().as_json() | {"missed": "reject"}},
    "views": {"count": 2, "seed": 0},
}
MEMORY = 10**9  # bytes that reading a changed store may take
HUGE = 10**12  # also in `mutations`

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc to measure memory")


def written(path: Path) -> Store:
    key: StoreKey = replace(EXAMPLE.key, **FIELDS)
    writer = StoreWriter(path, key, EXAMPLE.schema)
    EXAMPLE.put(writer, writer.pending)
    writer.finish(EXAMPLE.columns, DATASET, PROVENANCE)
    return open_store(path)


@pytest.fixture(scope="module")
def zarr_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return written(tmp_path_factory.mktemp("stores") / "features" / "some-encoder" / "example.zarr")


def content(store: Store) -> tuple[bytes, ...]:
    """Every value of every output and view, and the columns."""
    rows = np.arange(len(store))
    stacks = [(array.name, view) for array in store.manifest.schema.arrays for view in range(store.n_views())]
    return (*(store.read(rows, *stack).tobytes() for stack in stacks), store.frame.to_json().encode())


def described(store: Store) -> None:
    """Everything that a command shows of a store or takes from its manifest."""
    assert not compare(Side.of(store), Side.of(store))
    store.select("status == 'ok'")
    description_of(store)
    store_summary(store)
    alignment_of(store)
    command_line("extract", extract_arguments(store, ExtractParams(), "mini"))
    _ = (store.dataset, store.classes, store.encoder, store.manifest.rejected)


def assert_named_or_unchanged(
    path: Path, change: str, expected: tuple[bytes, ...], fields: Sequence[str] = ("",)
) -> bool:
    """Read the store at `path` in every way: same values, or errors of ours that name the store and a field.

    Returns whether it was refused.
    """
    with within_time():
        problems = verify(path)
        assert status_at(path) is not None
        found, error = result_or_error(lambda: _all_of(path))
    if error is None:
        assert found == expected or _lacks_a_column(open_store(path)), change
        assert not [problem for problem in problems if problem.is_damage], f"{change}: {problems}"
        return False
    assert hasattr(error, "kind"), f"{change}: {type(error).__name__}: {error}"
    assert path.name in str(error) or not isinstance(error, CacheError), f"{change}: {error}"
    assert any(words in str(error) for words in (*fields, *WHOLE)), f"{change}: {error}"
    return True


# What is wrong with all of a document, or with an array.
WHOLE = ("not what was written", "is not a fer-stage store", "update fer-stage", "tokens, view")


def _all_of(path: Path) -> tuple[bytes, ...]:
    store = open_store(path)
    described(store)
    return content(store)


def result_or_error(read: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """What a function returns, and what it raises."""
    try:
        return read(), None
    except Exception as error:  # a bug is one of the answers that the tests look for
        return None, error


def _lacks_a_column(store: Store) -> bool:
    """A manifest that does not name a column that need not be there: the rest is as it was, and `verify` notes it."""
    kept = {"id", "label", "split", "status"} <= set(store.frame) < set(EXAMPLE.columns)
    return kept and all(store.frame[name].tolist() == EXAMPLE.columns[name].tolist() for name in ("id", "split"))


def measured(read: Callable[[], None], change: str) -> None:
    """Run `read` within the limit of memory."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is the present from now on
    before = _memory("VmRSS")
    read()
    assert _memory("VmHWM") - before < MEMORY, change


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def overwritten(path: Path, text: str) -> None:
    """Put another manifest into a store."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            del file[MANIFEST]
            file.create_dataset(MANIFEST, data=text, dtype=h5py.string_dtype())
    else:
        entry = path / "zarr.json"
        entry.write_text(json.dumps(json.loads(entry.read_text()) | {"attributes": {MANIFEST: text}}))


def sealed(document: Any, key: str) -> str:
    """A manifest with a right digest, and a right key where that was `key`; a wrong digest if none can be right."""
    fields = document.get("key_fields")
    try:
        if isinstance(fields, dict) and document.get("key") == key:
            document = document | {"key": sha256_of(fields)}
        return canonical_json(document | {"digest": sha256_of(document)})
    except ValueError:  # NaN and infinity have no canonical JSON
        return json.dumps(document | {"digest": "0" * 64})


def changed_manifests(store: Store) -> Iterator[tuple[str, str]]:
    document = {name: value for name, value in json.loads(store.manifest.to_text()).items() if name != "digest"}
    for change, changed in mutations(document):
        yield change, sealed(changed, store.key)


# Fields that describe the store or its rejected rows: another value of the right type is read as it is.
_FREE = ("key_fields.", "dataset.", "provenance", "arrays", "columns.")


def test_every_change_of_a_manifest_is_named_or_changes_no_value(zarr_store: Store) -> None:
    """2,000 of them: most are refused when the store is opened, the others are texts that only people read."""
    path, expected = zarr_store.path, content(zarr_store)
    assert isinstance(path, Path)
    entry = (path / "zarr.json").read_bytes()
    refused = []

    def read_all() -> None:
        for change, text in changed_manifests(zarr_store):
            overwritten(path, text)
            refused.append(assert_named_or_unchanged(path, change, expected, _fields(change)))
            assert refused[-1] or change.startswith(_FREE) or ".rejected" in change, change

    try:
        measured(read_all, "all changes of a manifest")
    finally:
        (path / "zarr.json").write_bytes(entry)
    assert content(open_store(path)) == expected
    assert sum(refused) > 500


def _fields(change: str) -> Sequence[str]:
    """The field of `schema.arrays.0.dtype = None` and the one that it is in; an item of a list has the list's name."""
    names = [name for name in change.partition(" ")[0].split(".") if not name.lstrip("-").isdigit()]
    return names[-2:]


@pytest.mark.parametrize("name", ["", "columns", "pooled", "tokens", "columns/id", "columns/frame"])
def test_every_change_of_zarr_metadata_is_named_or_changes_no_value(zarr_store: Store, name: str) -> None:
    """One altered number once had `store verify` list files without end."""
    path, expected = zarr_store.path, content(zarr_store)
    assert isinstance(path, Path)
    entry = path / name / "zarr.json"
    before = entry.read_bytes()

    def read_all() -> None:
        for number, (change, changed) in enumerate(mutations(json.loads(before))):
            entry.write_text(json.dumps(changed))
            with within_time():
                refused = _part_is_refused(path, name, change)
                assert not refused or number % 10 or verify(path), change  # reading everything takes longer
            if change.endswith(f"= {HUGE}"):
                assert_named_or_unchanged(path, change, expected)

    try:
        measured(read_all, name)
    finally:
        entry.write_bytes(before)


def _part_is_refused(path: Path, name: str, change: str) -> bool:
    """Read what the metadata describe, and nothing else: the same values, or an error that names the part."""
    part = {"": "pooled", "columns": "id"}.get(name, name.rpartition("/")[2])
    values, error = result_or_error(lambda: _part(open_store(path), part))
    if error is None:
        expected = EXAMPLE.columns[part] if part in EXAMPLE.columns else EXAMPLE.values(part)[0]
        assert values.tolist() == expected.tolist() or values.tobytes() == expected.tobytes(), change
        return False
    assert isinstance(error, CacheError), f"{change}: {type(error).__name__}: {error}"
    assert path.name in str(error), f"{change}: {error}"
    assert not name or part in str(error), f"{change}: {error}"
    return True


def _part(store: Store, part: str) -> np.ndarray[Any, Any]:
    if part in store.manifest.columns:
        return store.columns([part])[part].to_numpy()
    return store.read(np.arange(len(store)), part)


@pytest.mark.parametrize(
    "change",
    [
        lambda file: _replaced(file, "pooled", shape=(2, HUGE, 6), dtype="float16"),
        lambda file: _replaced(file, "pooled", shape=(2, 5, 6), dtype="float64"),
        lambda file: _replaced(file, "pooled", shape=(2, 5, 6), dtype="float16", chunks=(1, 1, 1)),
        lambda file: _replaced(file, "pooled", shape=(2, 5, 6), dtype="float16", compression="gzip"),
        lambda file: _replaced(file, "columns/id", shape=(HUGE,), dtype=h5py.string_dtype()),
        lambda file: _replaced(file, "columns/id", shape=(5,), dtype="S1000000"),
        lambda file: _replaced(file, "columns/frame", shape=(5, HUGE), dtype="int64"),
        lambda file: _linked(file, "pooled", h5py.SoftLink("/tokens")),
        lambda file: _linked(file, "pooled", h5py.ExternalLink("../../elsewhere.h5", "/pooled")),
        lambda file: _linked(file, "pooled", h5py.ExternalLink("whole.h5", "/pooled")),
        lambda file: _linked(file, "columns", h5py.ExternalLink("../../elsewhere.h5", "/columns")),
        lambda file: _linked(file, MANIFEST, h5py.SoftLink("/columns/id")),
        lambda file: _group(file, "pooled"),
        lambda file: _group(file, "columns/id"),
        lambda file: _replaced(file, "pooled", shape=(2, 5, 6), dtype="float16", external=[("other.bin", 0, 120)]),
        lambda file: _replaced(file, "columns/id", data=EXAMPLE.columns["id"][:-1], dtype=h5py.string_dtype()),
        lambda file: _replaced(file, "columns/id", data=np.arange(5)),
        lambda file: _replaced(file, MANIFEST, data=np.arange(5)),
        lambda file: _replaced(file, MANIFEST, shape=(10**6,), dtype=h5py.string_dtype()),
    ],
    ids=itertools.count(),
)
def test_every_change_of_hdf5_arrays_is_named(tmp_path: Path, change: Callable[[h5py.File], None]) -> None:
    path = tmp_path / "features" / "some-encoder" / "example.h5"
    expected = content(written(path))
    (path.parent / "other.bin").write_bytes(bytes(10**4))
    shutil.copyfile(path, path.with_name("whole.h5"))
    with h5py.File(path, "r+") as file:
        change(file)
    measured(lambda: _refused_and_damaged(path, "an array", expected), "an array")
    with pytest.raises(CacheError, match=r"example\.h5"):
        content(open_store(path))


def _refused_and_damaged(path: Path, change: str, expected: tuple[bytes, ...]) -> None:
    assert assert_named_or_unchanged(path, change, expected)
    assert any(problem.is_damage for problem in verify(path)), change


def _replaced(file: h5py.File, name: str, **how: Any) -> None:
    del file[name]
    file.create_dataset(name, **how)


def _linked(file: h5py.File, name: str, link: Any) -> None:
    del file[name]
    file[name] = link


def _group(file: h5py.File, name: str) -> None:
    del file[name]
    file.create_group(name)


def begun(folder: Path, name: str) -> tuple[Path, StoreKey]:
    key: StoreKey = replace(EXAMPLE.key, **FIELDS)
    path = folder / "features" / "some-encoder" / name
    writer = StoreWriter(path, key, EXAMPLE.schema)
    EXAMPLE.put(writer, [0])
    return path, key


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def sparse(path: Path) -> None:
    """5 GB of holes: no byte of them is on the disk."""
    with path.open("wb") as file:
        file.truncate(5 * 10**9)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("put", "words"),
    [(pipe, ""), (sparse, ".*expected at most"), (device, ""), (folder, "")],
    ids=["pipe", "sparse", "device", "folder"],
)
@pytest.mark.parametrize(
    "name", ["zarr.json", "pooled/zarr.json", "pooled/c/0/0/0", "columns/id/zarr.json", "columns/id/c/0"]
)
def test_what_is_no_file_or_too_large_is_an_error_at_once(
    tmp_path: Path, name: str, put: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / "features" / "some-encoder" / "example.zarr"
    expected = content(written(path))
    put(path / name)
    measured(lambda: _refused_and_damaged(path, name, expected), name)
    with pytest.raises(CacheError, match=rf"example\.zarr{words}"):
        content(open_store(path))


@pytest.mark.parametrize("put", [pipe, sparse, device, folder])
def test_an_hdf5_store_that_is_no_file_is_an_error_at_once(tmp_path: Path, put: Callable[[Path], None]) -> None:
    path = tmp_path / "features" / "some-encoder" / "example.h5"
    expected = content(written(path))
    put(path)
    measured(lambda: assert_named_or_unchanged(path, "the file", expected), "the file")


@pytest.mark.parametrize("put", [pipe, sparse, folder])
@pytest.mark.parametrize("name", ["plan.json", "records/000000.json"])
def test_a_plan_or_record_that_is_no_file_stops_nothing(tmp_path: Path, name: str, put: Callable[[Path], None]) -> None:
    path, key = begun(tmp_path, "example.zarr")
    inside = building_folder(path)
    assert isinstance(inside, Path)
    put(inside / name)

    def read_all() -> None:
        with pytest.raises(CacheError, match=r"example\.zarr"):
            open_store(path)
        status_at(path)
        assert StoreWriter(path, key, EXAMPLE.schema).pending == [0, 1]

    measured(read_all, name)


@pytest.mark.parametrize("name", ["plan.json", "records/000000.json"])
def test_a_plan_or_record_that_is_a_link_to_a_device_is_an_error_at_once(tmp_path: Path, name: str) -> None:
    path, key = begun(tmp_path, "example.zarr")
    inside = building_folder(path)
    assert isinstance(inside, Path)
    device(inside / name)
    with within_time(), pytest.raises(CacheError, match=r"example\.zarr"):
        open_store(path)
    with within_time():
        status_at(path)
    with within_time(), pytest.raises(StorageError, match="is a link, which unfinished work never contains"):
        StoreWriter(path, key, EXAMPLE.schema)


def forged_column(store: Store, name: str, values: np.ndarray[Any, Any]) -> None:
    """Another column, with its digest in the manifest: nothing but the values themselves can tell."""
    assert isinstance(store.path, Path)
    zarr.open_group(store.path / "columns", mode="r+").create_array(name, data=values, overwrite=True)
    document = json.loads(store.manifest.to_text())
    del document["digest"]
    as_read = values.astype(object) if values.dtype.kind == "T" else values
    document["columns"] |= column_digests({name: as_read})
    overwritten(store.path, canonical_json(document | {"digest": sha256_of(document)}))


@pytest.mark.parametrize("name", ["id", "label", "split", "status", "reason", "subject"])
def test_numbers_in_a_column_of_text_are_refused(tmp_path: Path, name: str) -> None:
    store = written(tmp_path / "example.zarr")
    forged_column(store, name, np.arange(5))
    with pytest.raises(CacheError, match=rf"example\.zarr: column {name}"):
        _ = open_store(store.path).frame
    assert [problem.kind for problem in verify(store.path) if problem.is_damage]


def test_text_in_a_column_of_numbers_is_refused(tmp_path: Path) -> None:
    store = written(tmp_path / "example.zarr")
    forged_column(store, "frame", np.array(["a"] * 5, np.dtypes.StringDType()))
    with pytest.raises(CacheError, match=r"example\.zarr: column frame"):
        _ = open_store(store.path).frame


def packed_column(store: Store, n_bytes: int) -> None:
    """A column whose texts, all zeros, are packed into far fewer bytes: not so many that they could do harm."""
    forged_column(store, "subject", np.array(["0" * n_bytes, *"abcd"], np.dtypes.StringDType()))


def test_a_column_that_unpacks_to_more_than_its_limit_is_refused(tmp_path: Path) -> None:
    store = written(tmp_path / "example.zarr")
    packed_column(store, 80_000_000)
    assert isinstance(store.path, Path)
    assert sum(file.stat().st_size for file in (store.path / "columns" / "subject").rglob("*")) < 2_000_000
    with pytest.raises(CacheError, match=r"example\.zarr: column subject"):
        _ = open_store(store.path).frame


def test_a_column_of_one_chunk_for_each_row_is_refused(tmp_path: Path) -> None:
    """Each chunk may unpack to as much as the whole column."""
    store = written(tmp_path / "example.zarr")
    assert isinstance(store.path, Path)
    values = store.frame["subject"].to_numpy().astype(np.dtypes.StringDType())
    zarr.open_group(store.path / "columns", mode="r+").create_array("subject", data=values, chunks=(1,), overwrite=True)
    with pytest.raises(CacheError, match=r"example\.zarr: column subject.*expected chunks of 5 to 5 rows"):
        _ = open_store(store.path).frame


@pytest.mark.parametrize("command", ["store verify", "store ls"])
def test_whole_commands_end_in_an_error_of_ours(tmp_path: Path, command: str) -> None:
    """What the functions above raise reaches people as an error, and is not called a bug of ours."""
    store = written(tmp_path / "features" / "some-encoder" / "example.zarr")
    document = json.loads(store.manifest.to_text())
    del document["digest"]
    document["schema"]["n_rows"] = 10**12
    assert isinstance(store.path, Path)
    overwritten(store.path, canonical_json(document | {"digest": sha256_of(document)}))
    target = str(tmp_path / "features") if command == "store ls" else str(store.path)
    words = [sys.executable, "-c", "from fer_stage import main; main()", *command.split(), target]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS * 3, check=False)
    assert done.returncode in ((0,) if command == "store ls" else (1, 3)), done.stderr
    assert "n_rows" in done.stdout + done.stderr
    assert "a bug of" not in done.stderr
