"""`store export --atlas`: a Parquet file in the form that embedding-atlas reads."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image
from unit_stores import rows, write_store

import cache
from pipeline.progress import silent
from stages.errors import StageError
from stages.workflows.atlas import AtlasContent, export_atlas
from stages.workflows.predictions import predictions_of

FerStage = Callable[..., Any]
STORE = "features/untrained/sample-a.zarr"
RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")
ATLAS = ("store", "export", STORE, "--atlas", "a.parquet")


def nearest_by_sorting(features: npt.NDArray[Any], k: int) -> list[set[int]]:
    """The k most similar other rows of each row."""
    unit = features.astype(np.float64) / np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    return [set(row) for row in np.argsort(-cosines, axis=1)[:, :k].tolist()]


def test_rows_have_their_vector_a_place_and_their_nearest_rows(project: Path, fer_stage: FerStage) -> None:
    done = fer_stage(*ATLAS, "--neighbors", "4", "--format", "json")
    store, frame = cache.open(STORE), pd.read_parquet("a.parquet")
    assert (done["rows"], done["files"]) == (len(store), ["a.parquet"])
    pd.testing.assert_frame_equal(frame[["id", "label", "split"]], store.frame[["id", "label", "split"]])
    features = store.select().numpy()
    np.testing.assert_array_equal(np.stack(frame["pooled"].tolist()), features)
    assert [set(row["ids"]) for row in frame["neighbors"]] == nearest_by_sorting(features, 4)
    distances = np.stack([row["distances"] for row in frame["neighbors"]])
    assert (np.diff(distances, axis=1) >= 0).all()  # the nearest first
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    first = np.array([row["ids"][0] for row in frame["neighbors"]])
    np.testing.assert_allclose(distances[:, 0], 1 - (unit * unit[first]).sum(axis=1), atol=1e-5)


def test_places_are_principal_components_or_those_of_t_sne(project: Path, fer_stage: FerStage) -> None:
    fer_stage(*ATLAS, "--neighbors", "0")
    frame, features = pd.read_parquet("a.parquet"), cache.open(STORE).select().numpy()
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    left, values, _ = np.linalg.svd(unit - unit.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(frame[["x", "y"]]), np.abs(left[:, :2] * values[:2]), atol=1e-4)
    assert "neighbors" not in frame
    fer_stage(*ATLAS, "--projection", "tsne", "--where", "split == 'test'")
    places = pd.read_parquet("a.parquet")[["x", "y"]]
    assert len(places) == len(cache.open(STORE).select("split == 'test'"))
    assert np.isfinite(places).all(axis=None)


def test_a_run_gives_its_predictions_of_test_rows_and_null_elsewhere(project: Path, fer_stage: FerStage) -> None:
    fer_stage(*ATLAS, "--run", str(RUN), "--columns", "label,split")
    frame = pd.read_parquet("a.parquet").set_index("id")
    score, predictions = predictions_of(RUN, "sample-a")
    tested = frame.loc[predictions.ids]
    assert tested["prediction"].tolist() == predictions.predicted.tolist()
    np.testing.assert_allclose(tested["probability"], predictions.frame["probability"])
    assert tested["correct"].mean() == pytest.approx(score.accuracy)
    assert frame.drop(predictions.ids)[["prediction", "probability", "correct"]].isna().all(axis=None)
    assert set(frame.columns) == {
        *("label", "split", "x", "y", "neighbors", "prediction", "probability", "correct", "pooled")
    }


def test_pictures_are_there_if_they_are_requested_and_a_note_says_so(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    fer_stage(*ATLAS)
    assert "image" not in pd.read_parquet("a.parquet")
    export_atlas(
        Path(STORE),
        Path("b.parquet"),
        silent,
        where="split == 'test'",
        content=AtlasContent(images=True, n_neighbors=0),
    )
    frame = pd.read_parquet("b.parquet")
    sizes = {Image.open(io.BytesIO(image["bytes"])).size for image in frame["image"]}
    assert len(sizes) == 1
    assert min(next(iter(sizes))) >= 32
    assert len({image["bytes"] for image in frame["image"]}) > 1
    result = export_atlas(
        Path(STORE), Path("b.parquet"), silent, content=AtlasContent(images=True, tables=Path("none"))
    )
    assert "the file holds pictures of faces" in result.note
    assert f"{len(cache.open(STORE))} pictures are grey squares: no table of sample-a" in result.note


def test_duckdb_which_embedding_atlas_reads_with_finds_every_column(project: Path, fer_stage: FerStage) -> None:
    fer_stage(*ATLAS, "--run", str(RUN))
    (first,) = duckdb.sql(
        "select x + y, neighbors.ids[1], neighbors.distances[1], prediction, list_cosine_similarity(pooled, pooled) "
        "from 'a.parquet' where correct limit 1"
    ).fetchall()
    assert first[-1] == pytest.approx(1, abs=1e-5)


def test_rejected_rows_are_left_out_and_neighbours_are_numbers_of_the_file(tmp_path: Path) -> None:
    """Of five rows the second is rejected: rows 2, 3, 4 of the store are 1, 2, 3 of the file. Row 3 equals row 4."""
    features = np.array([[1, 0], [np.nan, np.nan], [1, 0.1], [0, 1], [0, 1]], np.float32)
    frame = rows(5, status=["ok", "rejected", "ok", "ok", "ok"])
    write_store(tmp_path / "drawn.zarr", frame, features)
    content = AtlasContent(n_neighbors=1)
    result = export_atlas(tmp_path / "drawn.zarr", tmp_path / "a.parquet", silent, content=content)
    written = pd.read_parquet(tmp_path / "a.parquet")
    assert written["id"].tolist() == ["row-0", "row-2", "row-3", "row-4"]
    assert [row["ids"].tolist() for row in written["neighbors"]] == [[1], [0], [3], [2]]
    assert (result.n_rows, result.n_without_feature) == (4, 1)
    assert "1 of 5 rows have no feature: they are left out" in result.note


def test_a_row_with_more_equals_than_neighbours_is_not_its_own_neighbour(tmp_path: Path) -> None:
    write_store(tmp_path / "drawn.zarr", rows(6), np.ones((6, 2), np.float32))
    export_atlas(tmp_path / "drawn.zarr", tmp_path / "a.parquet", silent, content=AtlasContent(n_neighbors=2))
    written = pd.read_parquet(tmp_path / "a.parquet")
    assert all(len(row["ids"]) == 2 and i not in row["ids"] for i, row in enumerate(written["neighbors"]))


def test_the_only_row_of_a_file_has_no_neighbours(tmp_path: Path) -> None:
    """The column is there: embedding-atlas is told of it by `--neighbors neighbors`."""
    write_store(tmp_path / "drawn.zarr", rows(1), np.ones((1, 2), np.float32))
    export_atlas(tmp_path / "drawn.zarr", tmp_path / "a.parquet", silent)
    (near,) = pd.read_parquet(tmp_path / "a.parquet")["neighbors"]
    assert (len(near["ids"]), len(near["distances"])) == (0, 0)


def test_what_cannot_be_exported_is_refused(project: Path, fer_stage: FerStage, tmp_path: Path) -> None:
    path, out = tmp_path / "drawn.zarr", tmp_path / "a.parquet"
    write_store(path, rows(5001), np.random.default_rng(0).standard_normal((5001, 2)).astype(np.float32))
    with pytest.raises(StageError, match="expected at most 5,000 rows, found 5,001"):
        export_atlas(path, out, silent, content=AtlasContent(projection="tsne"))
    with pytest.raises(StageError, match="expected rows with a feature, found none"):
        export_atlas(path, out, silent, where="label == 'contempt'")
    other = tmp_path / "other.zarr"
    write_store(other, rows(4), np.eye(4, dtype=np.float32), dataset="sample-a")
    with pytest.raises(StageError, match="expected predictions from these features"):
        export_atlas(other, out, silent, content=AtlasContent(run=RUN))
    assert not out.exists()
    assert "expected a name that ends with .parquet, found a.npy" in fer_stage(*ATLAS[:-1], "a.npy", code=1)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "expected --output or --atlas, and not both"),
        (("--output", "a.npy", "--atlas", "a.parquet"), "expected --output or --atlas, and not both"),
        (("--output", "a.npy", "--images", "--run", "x"), "--run, --images: of --atlas only"),
        (("--atlas", "a.parquet", "--dtype", "float32"), "--dtype: of --output only"),
    ],
)
def test_options_that_are_of_no_effect_are_refused(fer_stage: FerStage, words: tuple[str, ...], problem: str) -> None:
    assert problem in fer_stage("store", "export", STORE, *words, code=2)
