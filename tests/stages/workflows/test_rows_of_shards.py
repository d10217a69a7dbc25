"""Rows of shards are images like any other: encoded, aligned, verified and reused, by whatever command reads them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shards import CSV_ORDER, IMAGE, arrow, class_label, image_column, parquet, rows_table, tar

import cache
from tests.stages.drawn_dataset import N_IMAGES, add_pictures, index_faces

FerStage = Callable[..., Any]
EXTRACT = ("extract", "--encoder", "untrained", "--decoders", "2", "--format", "json", "--dataset")
COPIES = {"parquet": "hf", "arrow": "hf", "tar": "webdataset"}


def write_copies() -> None:
    """The pictures of the folder again, as a copy of each kind."""
    files = sorted(Path("faces-here").rglob("*.png"), key=lambda file: file.name)
    data = [file.read_bytes() for file in files]
    names = ["fear", "anger"]
    labels = [names.index(file.parent.name) for file in files]
    features = {"image": IMAGE, "label": class_label(names)}
    table = rows_table({"image": image_column(data, [file.name for file in files]), "label": labels}, features)
    members = {f"{i:03d}.png": png for i, png in enumerate(data)}
    members |= {f"{i:03d}.txt": file.parent.name.encode() for i, file in enumerate(files)}
    for kind, content in (
        ("parquet", parquet(table, row_group_size=4)),
        ("arrow", arrow(table, 4)),
        ("tar", tar(members)),
    ):
        Path(kind, "train").mkdir(parents=True)
        Path(kind, f"train/0000.{kind}").write_bytes(content)


@pytest.fixture
def copies(empty: Path, fer_stage: FerStage) -> Path:
    """The dataset `faces`, a folder, and `parquet`, `arrow` and `tar`, copies of it: indexed, none encoded."""
    add_pictures(0, N_IMAGES)
    index_faces()
    write_copies()
    for kind, layout in COPIES.items():
        fer_stage("index", "--dataset", kind, "--layout", layout, "--root", kind)
    return empty


def features(dataset: str) -> Any:
    """Features in the order of the pictures' numbers."""
    store = cache.open(f"features/untrained/{dataset}.zarr")
    return store.select().numpy()[np.argsort([name.rpartition("/")[2] for name in store.frame["id"]], kind="stable")]


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_reuses_all_features_of_the_folder(copies: Path, fer_stage: FerStage, kind: str) -> None:
    assert fer_stage(*EXTRACT, "faces")["encoded"] == N_IMAGES
    shutil.rmtree(kind)  # not even opened
    summary = fer_stage(*EXTRACT, kind)
    assert (summary["encoded"], summary["reused"], summary["rejected"]) == (0, N_IMAGES, 0)
    assert np.array_equal(features(kind), features("faces"))


@pytest.mark.parametrize("kind", COPIES)
def test_rows_that_are_encoded_are_those_of_the_folder(copies: Path, fer_stage: FerStage, kind: str) -> None:
    assert fer_stage(*EXTRACT, kind, "--no-reuse")["encoded"] == N_IMAGES
    assert fer_stage(*EXTRACT, "faces", "--no-reuse")["encoded"] == N_IMAGES
    assert np.allclose(features(kind), features("faces"), rtol=1e-4, atol=1e-5)


def test_workers_of_a_cluster_open_the_shards_themselves(copies: Path, fer_stage: FerStage) -> None:
    fer_stage(*EXTRACT, "faces")
    assert fer_stage(*EXTRACT, "parquet", "--no-reuse", "--workers", "1")["encoded"] == N_IMAGES
    assert np.allclose(features("parquet"), features("faces"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", COPIES)
def test_faces_are_searched_in_them_and_drawn_on_a_sheet(copies: Path, fer_stage: FerStage, kind: str) -> None:
    there = fer_stage("align", "--dataset", kind, "--contact-sheet", "sheet.png", "--format", "json")
    folder = fer_stage("align", "--dataset", "faces", "--format", "json")
    assert {name: there[name] for name in ("rows", "aligned")} == {name: folder[name] for name in ("rows", "aligned")}
    assert Path("sheet.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", COPIES)
def test_a_deep_check_encodes_some_again(copies: Path, fer_stage: FerStage, kind: str) -> None:
    fer_stage(*EXTRACT, kind)
    store = f"features/untrained/{kind}.zarr"
    [record] = fer_stage("store", "verify", store, "--deep", "--rows", "5", "--format", "json")
    [deep] = record["deep"]
    assert deep["rows"] == 5
    assert deep["cosine"] >= deep["expected"] > 0.99


def test_a_row_that_changed_since_it_was_indexed_is_another_dataset(copies: Path, fer_stage: FerStage) -> None:
    label = class_label(CSV_ORDER)
    table = rows_table({"image": image_column([b"other"] * N_IMAGES), "label": [0] * N_IMAGES}, {"label": label})
    Path("parquet/train/0000.parquet").write_bytes(parquet(table))
    message = fer_stage(*EXTRACT, "parquet", code=1)
    assert "train/0000.parquet::0000000 is not the file that was indexed" in message
