"""Rows of one table that are the same image are encoded once, and are the rows they would be if each were encoded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import cache
from cache.reuse import image_digests
from cache.testing.raw import tree_bytes
from pipeline.progress import Progress
from pipeline.tables.samples import SampleTable
from stages.requests import ExtractRequest
from stages.workflows.extract import extract
from stages.workflows.image_rows import ImageRows
from stages.workflows.row_sources import DuplicateRows
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
N_ROWS, N_IMAGES = 1300, 700  # three shards; the images of the first rows come again in the second and the third
STORE = Path("features/untrained/faces.zarr")
EXTRACT = ("extract", "--dataset", "faces", "--encoder", "untrained", "--decoders", "1", "--format", "json")


@pytest.fixture
def faces(empty: Path, fer_stage: FerStage) -> Path:
    """A dataset whose row i shows image i % N_IMAGES; image 7 is no picture."""
    for row in range(N_ROWS):
        image = row % N_IMAGES
        path = Path("faces", ("fear", "anger")[image % 2], f"{row:04d}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(image).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(path)
        if image == 7:
            path.write_bytes(b"no picture")
    fer_stage("index", "--dataset", "faces", "--layout", "folder", "--root", "faces")
    return empty


def _by_image(store: cache.Store, view: int = 0) -> dict[str, list[np.ndarray]]:
    rows: dict[str, list[np.ndarray]] = {}
    for digest, feature in zip(store.frame["sha256"], store.select(view=view).numpy(), strict=True):
        rows.setdefault(digest, []).append(feature)
    return rows


def test_an_image_on_many_rows_is_encoded_once_and_every_row_has_it(faces: Path, fer_stage: FerStage) -> None:
    summary = fer_stage(*EXTRACT)
    assert (summary["encoded"], summary["reused"], summary["rejected"]) == (N_IMAGES - 1, N_ROWS - N_IMAGES - 1, 2)
    store = cache.open(STORE)
    assert len(_by_image(store)) == N_IMAGES
    assert all(np.array_equal(row, rows[0], equal_nan=True) for rows in _by_image(store).values() for row in rows)
    assert np.isfinite(store.select("status == 'ok'").numpy()).all()
    assert len(store.select("status == 'rejected' and reason == 'not an image'")) == 2
    assert fer_stage("store", "verify", str(STORE), "--format", "json")[0]["damage"] == 0


def test_a_stopped_extract_resumes_to_the_same_bytes(faces: Path, fer_stage: FerStage) -> None:
    fer_stage(*EXTRACT, "--batch-size", "32")
    whole = tree_bytes(STORE)
    STORE.rename("whole.zarr")

    def stop(progress: Progress) -> None:
        if progress.done > 600:  # the first of three shards is finished
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(ExtractRequest("faces", encoder="untrained", decoders=1, batch_size=32), stop)
    resumed = fer_stage(*EXTRACT, "--batch-size", "32")
    assert resumed["encoded"] == N_IMAGES // 2  # rows are sorted by label: the first shard has all images of anger
    assert tree_bytes(STORE) == whole


@pytest.mark.slow
def test_two_workers_make_the_same_bytes(faces: Path, fer_stage: FerStage) -> None:
    """A shard waits until those are finished whose rows it repeats, whichever worker has them."""
    fer_stage(*EXTRACT, "--batch-size", "32")
    whole = tree_bytes(STORE)
    STORE.rename("whole.zarr")
    fer_stage(*EXTRACT, "--batch-size", "32", "--workers", "2")
    assert tree_bytes(STORE) == whole


def test_every_view_is_drawn_once(faces: Path, fer_stage: FerStage) -> None:
    table = SampleTable.read(Path("tables/faces.parquet"))
    frame = table.frame.assign(split=["test" if row % 3 else "train" for row in range(N_ROWS)])
    write_table(SampleTable(frame, table.info), Path("tables/faces.parquet"))
    store = cache.open(fer_stage(*EXTRACT, "--views", "2", "--limit", "720")["path"])
    assert (store.frame.groupby("sha256")["split"].nunique() > 1).any()
    for view in (0, 1):
        for rows in _by_image(store, view).values():
            finite = [row for row in rows if np.isfinite(row).all()]
            assert all(np.array_equal(row, finite[0]) for row in finite)
    trained = store.select("split == 'train' and status == 'ok'", view=1).numpy()
    assert np.isfinite(trained).all()


def test_the_first_row_of_each_view_is_encoded() -> None:
    plain, augmented = np.array([1, 1, 1, 0, 1], bool), np.array([0, 1, 1, 1, 0], bool)
    frame = pd.DataFrame({"path": list("ppppp"), "sha256": list("aaaab")})
    digests = image_digests(5, [frame["sha256"].array])
    unique, duplicates = DuplicateRows.find(ImageRows(frame, 3, plain, augmented), digests)
    assert [(image.row, image.views) for image in unique] == [(0, (0,)), (1, (1, 2)), (4, (0,))]
    assert duplicates.plain.tolist() == [-1, 0, 0, -1, -1]
    assert duplicates.augmented.tolist() == [-1, -1, 1, 1, -1]
    copies = list(duplicates.copies_into(range(2, 4), 2, 3))
    assert [(copy.shard, copy.rows.tolist(), copy.at.tolist(), copy.views) for copy in copies] == [
        (0, [0], [2], range(1)),
        (0, [1, 1], [2, 3], range(1, 3)),
    ]
