"""extract --faces aligned: the encoder sees the face that align found, and the key says so."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_dataset import BLANKS, N_IMAGES, add_pictures, index_faces
from PIL import Image

import cache
from pipeline.faces.table import FaceTable
from pipeline.images.alignment import Alignment
from pipeline.tables.samples import SampleTable
from stages.cli import run
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
EXTRACT = (
    "extract",
    "--dataset",
    "faces",
    "--encoder",
    "untrained",
    "--decoders",
    "1",
    "--format",
    "json",
    "--max-rejected",
    "1",
)
FROM_ALIGNED = (*EXTRACT, "--faces", "aligned")
ALIGNED = (*FROM_ALIGNED, "--outputs", "pooled,pixels")
STORE = Path("features/untrained/faces.zarr")
N_FACES = N_IMAGES - len(BLANKS)


@pytest.fixture(scope="module")
def aligned_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aligned")
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)
        add_pictures(0, N_IMAGES)
        index_faces()
        assert run(["align", "--dataset", "faces", "--threads", "1", "--quiet"]) == 0
    return folder


@pytest.fixture
def aligned(aligned_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset whose faces are found, as the current folder."""
    shutil.copytree(aligned_once, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def blank(frame: Any) -> Any:
    return frame["path"].str.contains("|".join(f"{i:02d}.png" for i in BLANKS))


def reject(row: int) -> None:
    path = Path("tables/faces.parquet")
    table = SampleTable.read(path)
    frame = table.frame.copy()
    frame.loc[row, ["status", "reason"]] = ["rejected", "conflicting rows"]
    write_table(SampleTable(frame, table.info), path)


def test_what_is_encoded_is_the_aligned_face(aligned: Path, fer_stage: FerStage) -> None:
    summary = fer_stage(*ALIGNED, "--margin", "0.1")
    assert (summary["encoded"], summary["rejected"], summary["missed"]) == (N_FACES, len(BLANKS), len(BLANKS))
    store, faces = cache.open(STORE), FaceTable.read(Path("faces/faces.parquet")).frame
    pixels = store.read(np.arange(N_IMAGES), "pixels")
    for row in np.flatnonzero(faces["status"] == "found"):
        with Image.open(Path("faces-here", store.frame["path"][row])) as picture:
            points = faces["landmarks"][row].reshape(5, 2).round(2)
            expected = np.asarray(Alignment(0.1).crop(picture.convert("RGB"), points, 64), np.int16)
        assert np.abs(pixels[row].astype(np.int16) - expected).max() <= 1


def test_an_image_without_a_face_is_a_rejected_row(aligned: Path, fer_stage: FerStage) -> None:
    fer_stage(*ALIGNED)
    frame = cache.open(STORE).frame
    assert frame["reason"].tolist() == ["no face found" if no else "" for no in blank(frame)]
    assert (frame["face"] == "").tolist() == blank(frame).tolist()


def test_or_a_centre_crop_by_choice(aligned: Path, fer_stage: FerStage) -> None:
    given = fer_stage(*EXTRACT, "--outputs", "pooled,pixels", "--features", "given")
    centred = fer_stage(*ALIGNED, "--missed", "centre")
    assert (centred["encoded"], centred["rejected"], centred["missed"]) == (N_IMAGES, 0, len(BLANKS))
    mine, theirs = cache.open(centred["path"]), cache.open(given["path"])
    rows = np.flatnonzero(blank(mine.frame))
    np.testing.assert_array_equal(mine.read(rows, "pixels"), theirs.read(rows, "pixels"))


def test_the_key_names_the_recipe_and_what_found_the_faces(aligned: Path, fer_stage: FerStage) -> None:
    fer_stage(*ALIGNED, "--margin", "0.1")
    alignment = cache.open(STORE).encoder["preprocess"]["alignment"]
    assert Alignment.from_json(alignment) == Alignment(0.1)
    assert alignment["missed"] == "reject"
    assert alignment["detector"] == FaceTable.read(Path("faces/faces.parquet")).info.detector


def test_a_second_time_nothing_is_done_and_another_margin_encodes_again(aligned: Path, fer_stage: FerStage) -> None:
    found = Path("faces/faces.parquet").stat().st_mtime_ns
    fer_stage(*ALIGNED)
    assert fer_stage(*ALIGNED)["encoded"] == 0
    assert fer_stage(*ALIGNED, "--margin", "0.2")["encoded"] == N_FACES
    assert Path("faces/faces.parquet").stat().st_mtime_ns == found


def test_aligned_and_given_never_borrow_from_each_other(aligned: Path, fer_stage: FerStage) -> None:
    assert fer_stage(*EXTRACT, "--features", "features")["encoded"] == N_IMAGES
    Path("features/untrained/faces.zarr").rename("features/untrained/given.zarr")
    summary = fer_stage(*FROM_ALIGNED, "--outputs", "pooled")
    assert (summary["encoded"], summary["reused"]) == (N_FACES, 0)


def test_a_face_table_beside_does_not_touch_a_store_of_given_faces(aligned: Path, fer_stage: FerStage) -> None:
    with_faces = fer_stage(*EXTRACT)["key"]
    shutil.rmtree("faces")
    again = fer_stage(*EXTRACT)
    assert (again["key"], again["encoded"], "missed" in again) == (with_faces, 0, False)
    assert "face" not in cache.open(STORE).frame


def test_a_face_that_moved_is_encoded_again_and_no_other(aligned: Path, fer_stage: FerStage) -> None:
    before = fer_stage(*ALIGNED)["key"]
    path = Path("faces/faces.parquet")
    faces = FaceTable.read(path)
    faces.frame["landmarks"] = [values if row else values + 1 for row, values in enumerate(faces.frame["landmarks"])]
    write_table(faces, path)
    summary = fer_stage(*ALIGNED)
    assert (summary["encoded"], summary["reused"]) == (1, N_FACES - 1)
    assert summary["key"] != before  # else finished shards of a stopped extract would be kept


def test_a_new_label_encodes_nothing_and_needs_no_new_faces(aligned: Path, fer_stage: FerStage) -> None:
    fer_stage(*ALIGNED)
    Path("faces-here/fear/00.png").rename("faces-here/anger/00.png")
    index_faces()
    assert fer_stage(*ALIGNED)["encoded"] == 0
    assert cache.open(STORE).frame["label"].tolist().count("anger") == N_IMAGES // 2 + 1


def test_params_yaml_can_say_it(aligned: Path, fer_stage: FerStage) -> None:
    Path("params.yaml").write_text("extract: {faces: aligned, margin: 0.3, missed: centre}")
    summary = fer_stage(*EXTRACT)
    assert summary["missed"] == len(BLANKS)
    assert Alignment.from_json(cache.open(STORE).encoder["preprocess"]["alignment"]) == Alignment(0.3)


def test_the_first_rows_are_found_in_the_table_of_all(aligned: Path, fer_stage: FerStage) -> None:
    assert fer_stage(*ALIGNED, "--limit", "5")["rows"] == 5


@pytest.mark.parametrize("given", [("--margin", "0.1"), ("--missed", "centre")], ids=lambda given: given[0])
def test_options_of_aligned_faces_are_refused_for_given_ones(
    aligned: Path, fer_stage: FerStage, given: tuple[str, str]
) -> None:
    error = fer_stage(*EXTRACT, *given, code=1)
    assert given[0] in error
    assert "--faces aligned" in error


def test_without_a_face_table_it_says_how_to_make_one(aligned: Path, fer_stage: FerStage) -> None:
    shutil.rmtree("faces")
    assert "Run `fer-stage align --dataset faces`" in fer_stage(*ALIGNED, code=1)
    fer_stage("align", "--dataset", "faces", "--if-any")
    assert "expected the faces of 10 images of faces, found those of 0" in fer_stage(*ALIGNED, code=1)


def test_a_face_table_of_another_sample_table_is_refused(aligned: Path, fer_stage: FerStage) -> None:
    add_pictures(N_IMAGES, 1)
    index_faces()
    error = fer_stage(*ALIGNED, code=1)
    assert "expected the faces of 11 images of faces, found those of 10" in error
    assert "Run `fer-stage align --dataset faces`" in error


def test_an_outdated_face_table_of_the_first_rows_is_replaced_by_the_advice(aligned: Path, fer_stage: FerStage) -> None:
    fer_stage("align", "--dataset", "faces", "--limit", "4", "--threads", "1")
    Image.new("RGB", (60, 60)).save("faces-here/anger/01.png")
    index_faces()
    error = fer_stage(*ALIGNED, "--limit", "4", code=1)
    assert error.strip().endswith("Run `fer-stage align --dataset faces --limit 4`")
    fer_stage(*error.split("`fer-stage ")[1].rstrip("`\n").split(), "--threads", "1")
    assert fer_stage(*ALIGNED, "--limit", "4")["rows"] == 4


def test_a_rejected_row_hides_no_face_of_the_same_image(aligned: Path, fer_stage: FerStage) -> None:
    """Datasets hold pictures twice, and one of the two may be rejected for what its row states."""
    shutil.copy("faces-here/fear/00.png", "faces-here/anger/00-again.png")
    index_faces()
    reject(0)
    fer_stage("align", "--dataset", "faces", "--threads", "1")
    assert fer_stage(*ALIGNED)["encoded"] == N_FACES
    frame = cache.open(STORE).frame
    assert frame["sha256"].duplicated().sum() == 1
    assert ((frame["face"] != "") == (frame["status"] == "ok")).all()


def test_a_row_that_was_rejected_when_faces_were_searched_is_not_taken_as_given(
    aligned: Path, fer_stage: FerStage
) -> None:
    reject(0)
    fer_stage("align", "--dataset", "faces", "--threads", "1")
    index_faces()
    assert "expected the faces of 10 images of faces, found those of 9" in fer_stage(*ALIGNED, code=1)


def test_deep_verification_and_neighbours_see_faces_too(aligned: Path, fer_stage: FerStage) -> None:
    fer_stage(*ALIGNED)
    found = fer_stage("store", "verify", str(STORE), "--deep", "--format", "json")
    assert "pooled" in str(found)
    frame = cache.open(STORE).frame
    row = int(np.flatnonzero(~blank(frame))[0])
    near = ("query", str(STORE), "--k", "1", "--format", "json", "--near")
    nearest = fer_stage(*near, str(Path("faces-here", frame["path"][row])))
    assert nearest[0]["id"] == frame["id"][row]
    assert nearest[0]["score"] > 0.999
    empty = Path("faces-here", frame["path"][int(np.flatnonzero(blank(frame))[0])])
    assert "no face found" in fer_stage(*near, str(empty), code=1)


def test_an_image_that_align_could_not_decode_is_not_taken_whole(
    aligned: Path, fer_stage: FerStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pillow_heif", reason="needs pip install 'fer-stage[heic]'").register_heif_opener()
    path = Path("faces-here/fear/00.png")
    Image.open(path).convert("RGB").save(path.with_suffix(".heic"), "HEIF", quality=95)
    path.unlink()
    index_faces()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pillow_heif", None)  # as on a machine without it
        fer_stage("align", "--dataset", "faces")
    message = fer_stage(*ALIGNED, code=1)
    assert "could not be decoded. Run `fer-stage align --dataset faces`" in message
    assert fer_stage("align", "--dataset", "faces", "--format", "json")["detected"] == 1
    assert fer_stage(*ALIGNED)["encoded"] == N_FACES
