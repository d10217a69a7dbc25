"""fer-stage store: each verb, what it prints and how it ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import stages
from cache.keys import StoreKey
from cache.places.lock import exclusive, lock_path
from cache.store import open_store
from cache.testing.example import Example
from cache.upkeep.inventory import is_pinned
from cache.writing.writer import StoreWriter
from stages.cli import run

FerStage = Callable[..., Any]
STORE = "features/untrained/sample-a.zarr"


@pytest.fixture
def stores(empty: Path) -> Path:
    """Two finished stores and one that is not, below features/clip."""
    root = empty / "features"
    Example().write(root / "clip" / "a.zarr")
    Example(seed=1).write(root / "clip" / "b.h5")
    Example().begin(root / "clip" / "c.zarr", [0, 1])
    return root


def spoil(path: Path) -> None:
    chunk = path / "pooled" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[::-1])


# ls


def test_ls_lists_finished_stores_and_all_others(fer_stage: FerStage, stores: Path) -> None:
    (stores / "clip" / "d.h5").write_bytes(b"anything")
    rows = {Path(row["path"]).name: row for row in fer_stage("store", "ls", "--format", "json")}
    assert {name: row["state"] for name, row in rows.items()} == {
        "a.zarr": "complete",
        "b.h5": "complete",
        "c.zarr": "incomplete, 2 of 3 shards",
        "d.h5": "foreign",
    }
    whole = {name: rows["a.zarr"][name] for name in ("encoder", "rows", "views", "outputs", "dtype", "rejected", "key")}
    assert whole == {
        "encoder": "clip",
        "rows": 10,
        "views": 2,
        "outputs": ["pooled", "tokens", "pixels"],
        "dtype": "mixed",
        "rejected": 2,
        "key": Example().key.digest,
    }
    assert {name: row["bytes"] for name, row in rows.items() if name.endswith(".h5")} == {
        name: (stores / "clip" / name).stat().st_size for name in ("b.h5", "d.h5")
    }
    assert rows["c.zarr"]["bytes"] < rows["a.zarr"]["bytes"]
    assert "it is no HDF5 file" in rows["d.h5"]["why"]


def test_ls_in_a_table_has_short_keys_and_notes_on_stderr(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (stores / "clip" / "d.h5").write_bytes(b"anything")
    assert run(["store", "ls", str(stores)]) == 0
    out, err = capsys.readouterr()
    assert Example().key.digest[:12] in out
    assert Example().key.digest not in out
    assert "d.h5 is not a fer-stage store" in err
    assert f"4 stores below {stores}" in err


def test_ls_of_nothing_is_an_empty_list(fer_stage: FerStage, empty: Path) -> None:
    assert fer_stage("store", "ls", "--format", "json") == []


def test_ls_with_a_damaged_column_still_lists(fer_stage: FerStage, stores: Path) -> None:
    shutil.rmtree(stores / "clip" / "a.zarr" / "columns" / "status")
    assert fer_stage("store", "ls", "--format", "json")[0]["rejected"] is None


# info


def test_info_says_everything(fer_stage: FerStage, stores: Path) -> None:
    result = fer_stage("store", "info", "features/clip/a.zarr", "--format", "json")
    assert result["key"] == Example().key.digest
    assert result["key_fields"] == Example().key.fields()
    assert result["status"] == {"ok": 8, "rejected": 2}
    assert sum(result["reasons"].values()) == 2
    assert sum(sum(labels.values()) for labels in result["counts"].values()) == 10
    assert result["arrays"]["tokens"] == {
        "shape": [2, 10, 3, 5],
        "dtype": "float32",
        "bytes": 2 * 10 * 15 * 4,
        "chunks": [1, 4, 3, 5],
        "sha256": open_store(stores / "clip" / "a.zarr").manifest.arrays["tokens"],
    }
    assert result["shards"] == {"count": 3, "rows": 4}
    assert fer_stage("store", "info", "features/clip/b.h5", "--format", "json")["arrays"]["pooled"]["chunks"] == (
        "in one piece"
    )


def test_a_description_in_python_is_what_info_prints(fer_stage: FerStage, stores: Path) -> None:
    described = stages.describe_store("features/clip/a.zarr")
    assert described.summary() == fer_stage("store", "info", "features/clip/a.zarr", "--format", "json")
    assert stages.describe_store(described) == described  # whatever has a path: a store, what `extract` returned
    assert described.frame.columns.tolist() == ["split", "label", "n"]
    by_split = described.frame.groupby("split")["n"].sum().to_dict()
    assert by_split == open_store("features/clip/a.zarr").frame["split"].value_counts().to_dict()
    assert {array.name: array.shape for array in described.arrays}["tokens"] == (2, 10, 3, 5)
    with pytest.raises(FrozenInstanceError):
        described.key = ""  # type: ignore[misc]  # it is what this test is about
    assert "<table" in described._repr_html_()


def test_info_for_people_has_one_line_per_fact(fer_stage: FerStage, stores: Path) -> None:
    text = fer_stage("store", "info", "features/clip/a.zarr/")
    assert "key_fields.encoder.family" in text
    assert Example().key.digest not in text


def test_info_on_an_unfinished_store_says_how_far_it_is(fer_stage: FerStage, stores: Path) -> None:
    assert "2 of 3 shards" in fer_stage("store", "info", "features/clip/c.zarr", code=1)


# verify


def test_verify_of_whole_stores_is_silent_data(fer_stage: FerStage, stores: Path) -> None:
    records = fer_stage("store", "verify", "features", "--format", "json")
    assert [(Path(record["store"]).name, record["damage"]) for record in records] == [("a.zarr", 0), ("b.h5", 0)]


def test_verify_lists_damage_and_ends_with_3(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(stores / "clip" / "a.zarr")
    (stores / "clip" / "a.zarr" / "mine.txt").write_text("")
    assert run(["store", "verify", "features/clip/b.h5", "features/clip/a.zarr", "--format", "json"]) == 3
    out, err = capsys.readouterr()
    whole, damaged = json.loads(out)
    assert (whole["damage"], damaged["damage"], damaged["notes"]) == (0, 1, 1)
    features = damaged["problems"][-1]
    assert (features["kind"], features["rows"]) == ("features", [0, 3])
    assert "1 of 2 stores are not what was written: features/clip/a.zarr. Restore the store, or delete it" in err
    assert run(["store", "verify", "features/clip/a.zarr"]) == 3
    assert "mine.txt" in capsys.readouterr().out


def test_a_foreign_file_alone_is_noted_and_ends_with_0(fer_stage: FerStage, stores: Path) -> None:
    (stores / "clip" / "a.zarr" / "mine.txt").write_text("")
    [record] = fer_stage("store", "verify", "features/clip/a.zarr", "--format", "json")
    assert (record["damage"], record["notes"]) == (0, 1)


@pytest.mark.parametrize("word", ["features/clip/nothing.zarr", "features/clip/c.zarr", "elsewhere"])
def test_verify_of_no_finished_store_is_an_error_before_anything_is_read(
    fer_stage: FerStage, stores: Path, word: str
) -> None:
    assert "error: " in fer_stage("store", "verify", "features/clip/a.zarr", word, code=1)


def test_deep_verification_encodes_again(
    fer_stage: FerStage, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["store", "verify", STORE, "--deep", "--rows", "3", "--seed", "7"]
    [record] = fer_stage(*words, "--format", "json")
    [deep] = record["deep"]
    assert (deep["output"], deep["rows"]) == ("pooled", 3)
    assert deep["cosine"] >= deep["expected"] > 0.99
    assert run(words) == 0
    out, err = capsys.readouterr()
    assert f"{deep['cosine']:.7f}" in out
    assert "chosen by --seed 7" in err


def _shifted(pooled: np.ndarray) -> np.ndarray:
    """Every feature is the next image's."""
    return np.roll(pooled, -1, axis=1)


def _noisy(pooled: np.ndarray) -> np.ndarray:
    """Off by 1 %, as arithmetic in bfloat16 is; the cosine is 0.99995."""
    return (pooled * np.random.default_rng(0).normal(1, 0.01, pooled.shape)).astype(pooled.dtype)


def _scaled(pooled: np.ndarray) -> np.ndarray:
    """By 1.5 %, which no cosine sees."""
    return (pooled * 1.015).astype(pooled.dtype)


@pytest.mark.parametrize("spoil", [_shifted, _noisy, _scaled])
def test_deep_verification_finds_features_that_were_not_computed(
    project: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Every checksum is right, and the features are not those of the images."""
    store = open_store(project / STORE)
    spoilt = {**store.shard(0)}
    spoilt["pooled"] = spoil(spoilt["pooled"])
    columns = {
        name: store.backend.read_column(store.path, store.manifest.schema, name) for name in store.manifest.columns
    }
    shutil.rmtree(project / STORE)
    writer = StoreWriter(project / STORE, StoreKey.from_fields(store.manifest.key_fields), store.manifest.schema)
    writer.put(0, spoilt, {})
    writer.finish(columns, store.manifest.dataset, store.manifest.provenance)
    assert run(["store", "verify", STORE]) == 0
    assert run(["store", "verify", STORE, "--deep"]) == 3
    assert "not what was written" in capsys.readouterr().err


def test_deep_verification_says_what_it_lacks(fer_stage: FerStage, project: Path) -> None:
    shutil.rmtree(project / "tables")
    assert "Name them with --root" in fer_stage("store", "verify", STORE, "--deep", code=1)
    [record] = fer_stage("store", "verify", STORE, "--deep", "--root", "data/sample-a", "--format", "json")
    assert record["deep"]


# why


def test_why_names_the_fields_of_two_stores(fer_stage: FerStage, project: Path) -> None:
    rows = fer_stage("store", "why", STORE, "features/untrained/sample-e.zarr", "--format", "json")
    assert {row["field"] for row in rows} == {"samples", "dataset.name", "dataset.release"}
    assert "60 added" in rows[0]["words"]


def test_why_of_a_store_that_is_up_to_date_is_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["store", "why", "sample-a", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == []
    assert "they are the same" in err


def test_why_of_a_stale_store_names_what_extract_would_do_otherwise(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("extract: {dtype: float32}", "extract: {views: 2}"))
    before = sorted(path.name for path in project.rglob("*"))
    assert run(["store", "why", "sample-a", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    found = {row["field"]: (row["a"], row["b"]) for row in json.loads(out)}
    assert found["dtype"] == ("float32", "float16")
    assert found["views.count"] == (1, 2)
    assert "other features" in err
    assert sorted(path.name for path in project.rglob("*")) == before


def test_why_of_other_labels_says_that_nothing_has_to_be_encoded(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pq.read_table(project / "tables" / "sample-a.parquet")
    at = table.column_names.index("label")
    labels = ["fear", *table["label"].to_pylist()[1:]]
    changed = (
        table.set_column(at, table.schema.field("label"), [labels]) if table["label"][0].as_py() != "fear" else table
    )
    pq.write_table(changed, project / "tables" / "sample-a.parquet")
    assert run(["store", "why", "sample-a", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert [row["field"] for row in json.loads(out)] == ["columns.label"]
    assert "nothing has to be encoded" in err


def test_why_asks_for_two_stores_or_a_dataset(fer_stage: FerStage, stores: Path) -> None:
    assert "expected two stores" in fer_stage("store", "why", "features/clip/a.zarr", code=2)


# convert and export


def test_convert_keeps_the_key_and_a_second_one_is_up_to_date(fer_stage: FerStage, stores: Path) -> None:
    words = ("store", "convert", "features/clip/a.zarr", "features/clip/a.h5", "--format", "json")
    assert fer_stage(*words) == {
        "source": "features/clip/a.zarr",
        "path": "features/clip/a.h5",
        "rows": 10,
        "shards": 3,
        "copied": 3,
        "key": Example().key.digest,
    }
    assert fer_stage(*words)["copied"] == 0


def test_convert_refuses_what_it_would_destroy(fer_stage: FerStage, stores: Path) -> None:
    assert "found other features" in fer_stage("store", "convert", "features/clip/a.zarr", "features/clip/b.h5", code=1)


def test_export_writes_the_chosen_rows(fer_stage: FerStage, stores: Path) -> None:
    result = fer_stage(
        "store", "export", "features/clip/a.zarr", "--output", "out.parquet", "--where", "label == 'fear'",
        "--columns", "id,label", "--feature", "tokens", "--view", "1", "--format", "json",
    )  # fmt: skip
    table = pq.read_table("out.parquet")
    assert result["rows"] == len(table) == 3
    assert set(table["label"].to_pylist()) == {"fear"}


# pin and gc


def test_gc_removes_leftovers_and_says_what_more_there_is(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (stores / "clip" / ".a.zarr.building.swept").mkdir()
    assert run(["store", "gc", "--dry-run", "--format", "json"]) == 0
    planned, err = capsys.readouterr()
    assert {Path(row["path"]).name: row["action"] for row in json.loads(planned)} == {
        ".a.zarr.building.swept": "remove",
        ".c.zarr.building": "keep",
    }
    assert (stores / "clip" / ".a.zarr.building.swept").exists()
    assert "--unfinished would free" in err
    assert run(["store", "gc", "--format", "json"]) == 0
    done = capsys.readouterr().out
    assert json.loads(done) == [
        row | {"action": row["action"].replace("remove", "removed")} for row in json.loads(planned)
    ]
    assert not (stores / "clip" / ".a.zarr.building.swept").exists()


def test_gc_leaves_what_a_living_process_builds(fer_stage: FerStage, stores: Path) -> None:
    with exclusive(lock_path(stores / "clip" / "c.zarr")):
        [row] = fer_stage("store", "gc", "--unfinished", "--format", "json")
    assert (row["action"], row["reason"]) == ("keep", "a living process works on it")
    assert fer_stage("store", "gc", "--unfinished", "--format", "json")[0]["action"] == "removed"


def test_gc_of_stores_keeps_what_the_project_needs(fer_stage: FerStage, project: Path) -> None:
    for name in ("alone.zarr", "pinned.zarr"):
        shutil.copytree(project / STORE, project / "features" / "other" / name)
    shutil.rmtree(project / "runs")  # it was trained on a store with the key of the copies
    fer_stage("store", "pin", "features/other/pinned.zarr")
    rows = fer_stage("store", "gc", "--unreferenced", "--format", "json")
    assert {Path(row["path"]).name: row["action"] for row in rows if row["kind"] == "store"} == {
        "sample-a.zarr": "keep",
        "sample-e.zarr": "keep",
        "alone.zarr": "removed",
        "pinned.zarr": "keep",
    }
    assert open_store(project / STORE)
    assert not (project / "features" / "other" / "alone.zarr").exists()


def test_gc_of_stores_where_nothing_says_what_is_needed_is_refused(fer_stage: FerStage, stores: Path) -> None:
    assert "nothing names the stores that are needed" in fer_stage("store", "gc", "--unreferenced", code=1)
    assert len(fer_stage("store", "ls", "--format", "json")) == 3


def test_a_pin_is_set_and_taken_away(fer_stage: FerStage, stores: Path) -> None:
    path = "features/clip/a.zarr"
    assert fer_stage("store", "pin", path, "--format", "json") == [{"path": path, "pinned": True}]
    assert is_pinned(stores / "clip" / "a.zarr")
    assert fer_stage("store", "ls", "--format", "json")[0]["pinned"]
    fer_stage("store", "pin", "--remove", path)
    assert not is_pinned(stores / "clip" / "a.zarr")
    assert "no store at" in fer_stage("store", "pin", "features/clip/mistyped.zarr", code=1)
