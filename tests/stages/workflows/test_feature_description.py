"""The description beside exported features: valid Croissant, through which the rows of the file are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from test_table_description import checked
from unit_stores import rows, write_store

import cache
import stages
from pipeline.progress import silent
from stages.workflows.atlas import export_atlas
from stages.workflows.exports import export_store

pytest.importorskip("mlcroissant", reason="mlcroissant is not installed: pip install '.[test]'")
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),  # of rdflib
    pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning"),  # of pandas, by mlcroissant
]

FerStage = Callable[..., Any]
STORE = "features/untrained/sample-a.zarr"


def test_mlcroissant_reads_the_features_and_their_labels_through_it(project: Path, fer_stage: FerStage) -> None:
    """It compares the sha256 of the file, and has every column; a feature is a list of floats."""
    done = fer_stage("store", "export", STORE, "--output", "a.parquet", "--croissant", "--format", "json")
    assert done["files"] == ["a.parquet", "a.croissant.json"]
    dataset = checked(Path("a.croissant.json"))
    (records,) = dataset.metadata.record_sets
    assert [field.name for field in records.fields] == pq.read_schema("a.parquet").names
    store = cache.open(STORE)
    read = list(dataset.records("rows"))
    assert [row["rows/id"].decode() for row in read] == store.frame["id"].tolist()
    assert [row["rows/label"].decode() for row in read] == store.frame["label"].tolist()
    np.testing.assert_array_equal(np.stack([row["rows/pooled"] for row in read]), store.select().numpy())


def test_it_states_the_encoder_the_key_and_that_the_features_are_of_people(project: Path, fer_stage: FerStage) -> None:
    fer_stage("store", "export", STORE, "--output", "a.parquet", "--where", "split == 'test'", "--croissant")
    described = json.loads(Path("a.croissant.json").read_text())
    store = cache.open(STORE)
    text = json.dumps(described)
    assert store.key in described["description"]
    assert f"Features of {len(store.select(split='test'))} images" in described["description"]
    assert store.encoder["encoder"]["weights"] in text
    assert "untrained: seeded random weights" in described["rai:dataLimitations"][0]
    assert "faces of people" in described["rai:personalSensitiveInformation"][0]
    assert described["distribution"][0]["sha256"] == hashlib.sha256(Path("a.parquet").read_bytes()).hexdigest()
    assert str(project) not in text


def test_a_description_of_a_file_that_was_replaced_is_named(tmp_path: Path) -> None:
    """Its sha256 is that of the earlier file."""
    write_store(tmp_path / "drawn.zarr", rows(4), np.eye(4, dtype=np.float32))
    target = tmp_path / "a.parquet"
    assert export_store(tmp_path / "drawn.zarr", target, croissant=True).note == ""
    assert export_store(tmp_path / "drawn.zarr", target, croissant=True).note == ""
    outdated = f"{tmp_path / 'a.croissant.json'} is of the file that was replaced"
    assert outdated in export_store(tmp_path / "drawn.zarr", target).note
    assert outdated in export_atlas(tmp_path / "drawn.zarr", target, silent).note
    exported = stages.query(tmp_path / "drawn.zarr", columns="label", output=target).exported
    assert exported is not None
    assert outdated in exported.note
    assert export_store(tmp_path / "drawn.zarr", tmp_path / "b.parquet").note == ""


def test_rows_without_a_feature_are_stated_and_described(tmp_path: Path) -> None:
    frame = rows(4, status=["ok", "ok", "rejected", "ok"])
    features = np.ones((4, 3), np.float16)
    features[2] = np.nan
    write_store(tmp_path / "drawn.zarr", frame, features)
    export_store(tmp_path / "drawn.zarr", tmp_path / "out.parquet", croissant=True)
    described = json.loads((tmp_path / "out.croissant.json").read_text())
    assert "Features of 4 images, 1 of them without a feature, with the labels" in described["description"]
    assert described["license"].startswith("Of the dataset drawn: Unknown")
    read = list(checked(tmp_path / "out.croissant.json").records("rows"))
    assert [None if row["rows/pooled"] is None else len(row["rows/pooled"]) for row in read] == [3, 3, None, 3]


def test_only_parquet_is_described(project: Path, fer_stage: FerStage) -> None:
    message = fer_stage("store", "export", STORE, "--output", "a.npy", "--croissant", code=1)
    assert "--croissant describes a .parquet: expected such an --output, found a.npy" in message
    assert not Path("a.npy").exists()
