"""extract encodes what no store holds, and nothing else; what it takes from elsewhere is what it would have encoded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cache
from pipeline.tables.samples import SampleTable
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
EXTRACT = ("extract", "--decoders", "1", "--format", "json")
E_STORE = Path("features/untrained/sample-e.zarr")


def table_of(dataset: str) -> SampleTable:
    return SampleTable.read(Path("tables", f"{dataset}.parquet"))


def save(table: SampleTable, dataset: str) -> None:
    write_table(table, Path("tables", f"{dataset}.parquet"))


def counts(summary: dict[str, Any]) -> tuple[int, int, int]:
    return summary["encoded"], summary["reused"], summary["rejected"]


def close(one: Any, other: Any) -> bool:
    """Equal but for the last bits: a row's place in its batch may round a sum otherwise."""
    return bool(np.allclose(one, other, rtol=1e-5, atol=1e-6, equal_nan=True))


def test_a_grown_dataset_encodes_what_is_new(project: Path, fer_stage: FerStage) -> None:
    whole, store = table_of("sample-e"), cache.open(E_STORE).select().numpy()
    shutil.rmtree("features")
    save(whole.head(45), "sample-e")
    assert counts(fer_stage(*EXTRACT, "--dataset", "sample-e")) == (45, 0, 0)
    save(whole, "sample-e")
    assert fer_stage(*EXTRACT, "--dataset", "sample-e", "--dry-run")["encoded"] == 15
    assert counts(fer_stage(*EXTRACT, "--dataset", "sample-e")) == (15, 45, 0)
    assert close(cache.open(E_STORE).select().numpy(), store)
    assert cache.open(E_STORE).manifest.provenance["reused"] == {
        cache.open(E_STORE).manifest.provenance["reused"].popitem()[0]: 45
    }


def test_a_reordered_dataset_encodes_nothing_and_opens_no_image(project: Path, fer_stage: FerStage) -> None:
    before = cache.open(E_STORE)
    old = dict(zip(before.frame["id"], before.select().numpy(), strict=True))
    table = table_of("sample-e")
    shuffled = table.frame.sample(frac=1, random_state=0).reset_index(drop=True)
    save(SampleTable(shuffled, table.info), "sample-e")
    shutil.rmtree("data")
    assert counts(fer_stage(*EXTRACT, "--dataset", "sample-e")) == (0, 60, 0)
    after = cache.open(E_STORE)
    assert after.key != before.key
    assert after.frame["id"].tolist() == shuffled["id"].tolist() != list(old)
    for name, feature in zip(after.frame["id"], after.select().numpy(), strict=True):
        assert np.array_equal(feature, old[name])


def test_a_merge_of_two_datasets_encodes_nothing(project: Path, fer_stage: FerStage) -> None:
    a, e = table_of("sample-a"), table_of("sample-e")
    for name, table in (("sample-a", a), ("sample-e", e)):
        shutil.copytree(f"data/{name}", f"data/both/{name}")
        table.frame["path"] = name + "/" + table.frame["path"]
        table.frame["id"] = name + "/" + table.frame["id"]
    both = pd.concat([a.frame, e.frame], ignore_index=True)
    info = type(a.info)(**{**vars(a.info), "dataset": "both", "root": "data/both"})
    save(SampleTable(both, info), "both")
    shutil.rmtree("data")
    assert counts(fer_stage(*EXTRACT, "--dataset", "both")) == (0, 120, 0)
    expected = [cache.open(f"features/untrained/{name}.zarr").select().numpy() for name in ("sample-a", "sample-e")]
    merged = cache.open("features/untrained/both.zarr")
    assert np.array_equal(merged.select().numpy(), np.concatenate(expected))
    assert sorted(merged.manifest.provenance["reused"].values()) == [60, 60]


def test_another_backend_takes_all_rows_from_the_first(project: Path, fer_stage: FerStage) -> None:
    shutil.rmtree("data")
    summary = fer_stage(*EXTRACT, "--dataset", "sample-e", "--backend", "hdf5")
    assert counts(summary) == (0, 60, 0)
    assert cache.open(summary["path"]).manifest.arrays == cache.open(E_STORE).manifest.arrays


def test_a_row_that_moves_to_train_gets_its_other_views(project: Path, fer_stage: FerStage) -> None:
    extract = (*EXTRACT, "--dataset", "sample-e", "--views", "3")
    table = table_of("sample-e")
    n_train = int((table.frame["split"] == "train").sum())
    assert counts(fer_stage(*extract)) == (n_train, 60 - n_train, 0)  # plain views were there
    before = cache.open(E_STORE).select(view=2).numpy()
    moved = table.frame["split"].eq("test").to_numpy().argmax()
    table.frame.loc[moved, "split"] = "train"
    save(table, "sample-e")
    assert counts(fer_stage(*extract)) == (1, 59, 0)
    after = cache.open(E_STORE).select(view=2).numpy()
    assert np.isnan(before[moved]).all()
    assert np.isfinite(after[moved]).all()
    rest = np.arange(60) != moved
    assert np.array_equal(after[rest], before[rest], equal_nan=True)
    again = cache.open(fer_stage(*extract, "--no-reuse", "--backend", "hdf5")["path"])
    assert close(again.select(view=2).numpy(), after)


def test_no_reuse_encodes_every_row(project: Path, fer_stage: FerStage) -> None:
    summary = fer_stage(*EXTRACT, "--dataset", "sample-e", "--backend", "hdf5", "--no-reuse")
    assert counts(summary) == (60, 0, 0)


def test_an_image_that_became_another_one_of_the_store_is_copied(project: Path, fer_stage: FerStage) -> None:
    frame = table_of("sample-e").frame
    one, other = (Path("data/sample-e", path) for path in frame["path"][:2])
    shutil.copy(one, other)
    fer_stage("index", "--dataset", "sample-e")
    assert counts(fer_stage(*EXTRACT, "--dataset", "sample-e")) == (0, 60, 0)  # its bytes are those of another row
    features = cache.open(E_STORE).select().numpy()
    assert np.array_equal(features[0], features[1])


def test_a_damaged_source_stops_the_extract_and_names_it(project: Path, fer_stage: FerStage) -> None:
    chunk = E_STORE / "pooled" / "c" / "0" / "0" / "0"
    spoiled = bytearray(chunk.read_bytes())
    spoiled[100] ^= 1
    chunk.write_bytes(spoiled)
    message = fer_stage("extract", "--dataset", "sample-e", "--backend", "hdf5", code=1)
    assert "sample-e.zarr: rows 0-59 of pooled" in message
    assert not E_STORE.with_suffix(".h5").exists()
    assert fer_stage(*EXTRACT, "--dataset", "sample-e", "--backend", "hdf5", "--no-reuse")["encoded"] == 60


def test_a_store_that_cannot_be_opened_is_named_and_passed_over(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    (E_STORE / "zarr.json").write_text("{")
    assert fer_stage("extract", "--dataset", "sample-e", "--backend", "hdf5", "--format", "json")["encoded"] == 60


def test_parity_with_rows_encoded_alone_is_kept(project: Path) -> None:
    provenance = cache.open(E_STORE).manifest.provenance
    parity = provenance["parity"]["pooled"]
    assert parity["rows"] == 8
    assert 0.999999 < parity["cosine"] <= 1
    assert 0 <= parity["difference"] < 1e-4
    json.dumps(provenance)
