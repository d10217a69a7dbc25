"""fer-stage browse: what it prints, serves and writes; errors with what to do; how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from clip_project import as_clips
from PIL import Image
from run_records import run_record
from unit_stores import rows, write_store

import stages
from pipeline.browse.projection import principal_plane
from pipeline.progress import Progress
from pipeline.records import Run
from stages.requests import BrowseRequest
from stages.workflows.browse import browse, run_name

FerStage = Callable[..., Any]
RUN = "runs/untrained/feature-mask/sample-a/seed-0"


def test_it_serves_until_ctrl_c_and_then_ends_with_130(project: Path) -> None:
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from stages.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "browse", "runs", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert process.stdout is not None
    text = ""
    while not text.endswith("}\n"):
        line = process.stdout.readline()
        assert line
        text += line
    record = json.loads(text)
    assert record["datasets"] == ["sample-a (test)", "sample-e (test)"]
    with urllib.request.urlopen(record["address"], timeout=20) as answer:
        assert b"<canvas" in answer.read()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert record["address"] not in errors


def test_a_folder_has_the_page_and_copies_and_says_so(project: Path, fer_stage: FerStage) -> None:
    before = {path for path in Path().rglob("*") if path.is_file()}
    record = fer_stage("browse", RUN, "--dataset", "sample-e", "--out", "page", "--format", "json")
    n = record["units"]
    assert len(list(Path("page/pictures").iterdir())) == n
    assert len(list(Path("page/data").glob("near-0-*.js"))) == n
    head = Path("page/data/head.js").read_text()
    assert f"This folder holds {n} pictures of people" in head
    assert "do not publish it" in head
    assert Path("page/.gitignore").read_text().endswith("\n*\n")
    written = {path for path in Path().rglob("*") if path.is_file()} - before
    assert {path.parts[0] for path in written} == {"page"}
    assert not list(Path().glob(".page*"))
    assert "expected a new or empty folder" in fer_stage("browse", RUN, "--out", "page", code=1)


def test_an_empty_current_folder_takes_the_page(project: Path, fer_stage: FerStage, monkeypatch: Any) -> None:
    """`.` has no name of its own, from which that of the unfinished folder could be made."""
    Path("page").mkdir()
    monkeypatch.chdir("page")
    places = ("--features", "../features", "--tables", "../tables")
    fer_stage("browse", f"../{RUN}", "--dataset", "sample-e", "--out", ".", *places)
    assert (project / "page/index.html").is_file()


def test_an_unfinished_folder_is_kept_out_of_git(project: Path) -> None:
    """A program that is killed leaves it, with pictures."""
    seen = []

    def look(progress: Progress) -> None:
        if progress.what == "files of the page":
            seen.append((Path(".page.unfinished/.gitignore").exists(), Path(".page.unfinished/index.html").exists()))

    browse(BrowseRequest("features/untrained/sample-a.zarr", split="train", out="page"), look)
    assert seen[0] == (True, False)


def test_a_place_that_is_taken_is_refused_in_a_dry_run_too(project: Path, fer_stage: FerStage) -> None:
    assert "expected a new or empty folder" in fer_stage("browse", RUN, "--out", "runs", "--dry-run", code=1)
    Path("page").write_text("")
    assert "found a file" in fer_stage("browse", RUN, "--out", "page", "--dry-run", code=1)


def test_a_run_of_a_fold_is_named_once_by_its_fold() -> None:
    fold = {"number": 1, "n": 3, "source": "groups"}
    record = Run.model_validate(run_record(method="feature-mask", dataset="a", variant="fold-1-of-3", fold=fold))
    assert run_name(record) == f"feature-mask on a, fold-1-of-3, seed {record.seed} ({record.encoder})"


def test_a_dry_run_writes_nothing(project: Path, fer_stage: FerStage) -> None:
    fer_stage("browse", RUN, "--dataset", "sample-e", "--out", "page", "--sheet", "sheet.png", "--dry-run")
    assert not Path("page").exists()
    assert not Path("sheet.png").exists()


def test_the_sheet_shows_the_most_confident_mistakes(project: Path, fer_stage: FerStage) -> None:
    fer_stage("browse", RUN, "--dataset", "sample-e", "--sheet", "sheet.png")
    mistakes = stages.browse(RUN, datasets="sample-e").frame.query("label != prediction")
    sheet = np.asarray(Image.open("sheet.png").convert("RGB"), float)
    first = Image.open(f"data/sample-e/images/{mistakes['id'].iloc[0]}.png").convert("RGB")
    expected = np.asarray(first.resize((160, 160), Image.BICUBIC).resize((144, 144), Image.BICUBIC), float)
    top = 8 + 2 * 16 + 8
    assert np.abs(sheet[top : top + 144, 8:152] - expected).mean() < 2


def test_a_sheet_is_of_one_run_and_one_dataset(project: Path, fer_stage: FerStage) -> None:
    message = fer_stage("browse", "runs", "--sheet", "sheet.png", code=1)
    assert "expected one run and one dataset, found 1 runs and sample-a (test), sample-e (test)" in message
    assert "--sheet: expected a name that ends with .png" in fer_stage("browse", "runs", "--sheet", "x.jpg", code=2)


def test_a_run_that_was_not_evaluated_is_an_error_with_the_command(project: Path, fer_stage: FerStage) -> None:
    shutil.rmtree("runs/scores")
    message = fer_stage("browse", RUN, code=1)
    assert f"Run `fer-stage evaluate --run {RUN}` first" in " ".join(message.split())
    assert "no trained run at nowhere" in fer_stage("browse", "nowhere", code=1)


def test_a_split_without_scores_is_an_error_with_what_there_is(project: Path, fer_stage: FerStage) -> None:
    """`evaluate` would not score it either."""
    message = fer_stage("browse", RUN, "--split", "train", code=1)
    assert "expected scores on the train split, found some on test alone" in message
    assert "Name --split test" in message


def test_features_that_were_made_again_are_refused(project: Path, fer_stage: FerStage) -> None:
    """Places would be of other features than those that were predicted from."""
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("float32", "float16"))
    fer_stage("extract", "--dataset", "sample-e", "--decoders", "1", "--quiet")
    message = fer_stage("browse", RUN, "--dataset", "sample-e", code=1)
    assert "expected the store that the predictions are of" in message
    assert "fer-stage evaluate" in message


def test_a_store_is_shown_without_predictions(project: Path, fer_stage: FerStage) -> None:
    store = "features/untrained/sample-a.zarr"
    record = fer_stage("browse", store, "--split", "train", "--dry-run", "--format", "json")
    frame = stages.query(store, where="split == 'train'").frame
    assert record["units"] == len(frame)
    assert record["mistakes"] == {}
    assert stages.browse(store, split="train").frame["id"].tolist() == frame["id"].tolist()
    assert "expected runs or stores, found both" in fer_stage("browse", store, RUN, code=1)
    assert "--dataset chooses test sets of runs" in fer_stage("browse", store, "--dataset", "sample-e", code=1)
    twice = fer_stage("browse", store, str(Path(store).absolute()), "--split", "train", "--dry-run", "--format", "json")
    assert twice["units"] == len(frame)


def test_features_of_two_encoders_are_not_one_scatter(project: Path, fer_stage: FerStage) -> None:
    """Two folders of the name `untrained`: places and cosines of both together would mean nothing."""
    frame = rows(3, split=["train"] * 3)
    write_store(Path("elsewhere/untrained/other.zarr"), frame, np.eye(3, 8, dtype=np.float32))
    stores = ("features/untrained/sample-a.zarr", "elsewhere/untrained/other.zarr")
    message = fer_stage("browse", *stores, "--split", "train", "--dry-run", code=1)
    assert "expected features of the encoder of features/untrained/sample-a.zarr, found those of another one" in message


def test_a_clip_is_one_unit_with_its_frames(project: Path, fer_stage: FerStage) -> None:
    """Three frames each; the picture is the second one."""
    as_clips("sample-e", 3)
    fer_stage("extract", "--dataset", "sample-e", "--decoders", "1", "--quiet")
    fer_stage("evaluate", "--run", RUN, "--dataset", "sample-e")
    result = stages.browse(RUN, datasets="sample-e", out="page")
    rows = stages.query("features/untrained/sample-e.zarr", where="split == 'test'", columns="clip").frame
    sizes = rows.groupby("clip", sort=False).size()
    assert result.ids[0].tolist() == sizes.index.tolist()
    for unit, n in enumerate(sizes.tolist()):
        strip = sorted(path.read_bytes() for path in Path("page/pictures").glob(f"0-{unit}-*.jpg"))
        assert len(strip) == n
        assert (
            Path(f"page/pictures/0-{unit}.jpg").read_bytes()
            == Path(f"page/pictures/0-{unit}-{(n - 1) // 2}.jpg").read_bytes()
        )
    features = stages.query("features/untrained/sample-e.zarr", where="split == 'test'").numpy()
    means = np.stack([features[(rows["clip"] == clip).to_numpy()].mean(axis=0) for clip in result.ids[0]])
    np.testing.assert_allclose(result.maps[0].planes["PCA"].places, principal_plane([means]).places, atol=1e-4)


def test_the_first_rows_of_a_dataset_have_pictures_too(project: Path, fer_stage: FerStage) -> None:
    """Their store is `sample-a.first-12`; its pictures are those of the table of `sample-a`."""
    fer_stage("extract", "--dataset", "sample-a", "--limit", "12", "--decoders", "1", "--quiet")
    result = stages.browse("features/untrained/sample-a.first-12.zarr", split="train", out="page")
    assert len(result.ids[0]) > 0
    assert not [note for note in result.notes if "grey" in note]


def test_pixels_of_the_store_need_no_files_of_the_dataset(project: Path, fer_stage: FerStage) -> None:
    options = ("--outputs", "pooled,pixels", "--limit", "12", "--decoders", "1", "--quiet")
    fer_stage("extract", "--dataset", "sample-a", *options)
    shutil.rmtree("data/sample-a")
    store = "features/untrained/sample-a.first-12.zarr"
    stages.browse(store, split="train", out="page")
    pixels = stages.query(store, where="split == 'train'", feature="pixels").numpy()
    for unit, expected in enumerate(pixels):
        found = np.asarray(Image.open(f"page/pictures/0-{unit}.jpg"), float)
        assert found.shape == expected.shape
        assert np.abs(found - expected).mean() < 8
