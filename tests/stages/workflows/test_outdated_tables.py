"""A sample table belongs to a root, a layout and all options: what params.yaml says now is compared with them."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import stages
from cache.store import open_store
from pipeline.tables.labels import EXPRESSIONS
from pipeline.tables.samples import SampleTable
from stages.cli import run
from stages.errors import StageError
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
TABLE, STORE = Path("tables/my.parquet"), "features/untrained/my.zarr"


def _params(**dataset: Any) -> None:
    data = {
        "datasets": {"my": {"layout": "folder", "root": "A"} | dataset},
        "encoders": {"untrained": "untrained"},
        "run": {"samples": [], "datasets": ["my"], "encoders": ["untrained"], "methods": ["linear-probe"]},
    }
    Path("params.yaml").write_text(yaml.safe_dump(data))


@pytest.fixture
def extracted(empty: Path, fer_stage: FerStage) -> Path:
    """A dataset `my` at root A, extracted, and another folder B with other images."""
    rng = np.random.default_rng(0)
    for root in "AB":
        for split in ("train", "test"):
            for label in EXPRESSIONS[:7]:
                folder = Path(root, split, label)
                folder.mkdir(parents=True)
                for k in range(3):
                    Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{root}{k}.png")
    _params()
    fer_stage("extract", "--dataset", "my")
    return empty


def _extract(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    capsys.readouterr()
    assert run(["extract", "--dataset", "my", *more]) == 0
    return capsys.readouterr().err


def test_an_unchanged_dataset_is_not_indexed_again(extracted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = TABLE.stat().st_mtime_ns
    assert "up to date" in _extract(capsys)
    _params(root=str(Path("A").absolute()))
    assert "up to date" in _extract(capsys), "another way to write the same root"
    assert TABLE.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"root": "B"}, "root was 'A', is 'B'"),
        ({"options": {"split_seed": 5}}, "options.split_seed was 0, is 5"),
        ({"options": {"val_fraction": 0.3}}, "options.val_fraction was 0.1, is 0.3"),
    ],
)
def test_a_changed_root_or_option_is_indexed_again_and_named(
    extracted: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], words: str
) -> None:
    before = open_store(STORE).manifest.columns
    _params(**change)
    assert f"indexing my again: {words}" in _extract(capsys)
    assert open_store(STORE).manifest.columns != before
    assert "up to date" in _extract(capsys)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"options": {"split_seed": 5}}, "options.split_seed was 0, is 5"),
        ({"options": {"classes": 8}}, "options.classes was 7, is 8"),
        ({"layout": "raf-db"}, "layout was 'folder', is 'raf-db'"),
    ],
)
def test_heads_are_not_trained_or_scored_on_a_dataset_that_params_describes_otherwise(
    extracted: Path, fer_stage: FerStage, change: dict[str, Any], words: str
) -> None:
    train = ("train", "--method", "linear-probe", "--dataset", "my")
    fer_stage(*train)
    _params(**change)
    for command in (train, ("evaluate", "--run", "runs", "--dataset", "my")):
        message = fer_stage(*command, code=1)
        assert f"{STORE}: expected my as params.yaml describes it now" in message
        assert words in message
        assert "fer-stage extract --dataset my --encoder untrained" in message


def test_train_says_that_params_names_another_root_and_the_advice_works(
    extracted: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    train = ["train", "--method", "linear-probe", "--dataset", "my"]
    assert run(train) == 0
    assert "another root" not in capsys.readouterr().err
    _params(root="B")
    assert run(train) == 0
    note = re.search(r"names another root of my: root was 'A', is 'B'\. .*`fer-stage (.*?)`", capsys.readouterr().err)
    assert note
    fer_stage(*note[1].split())
    assert run(train) == 0
    assert "another root" not in capsys.readouterr().err


def test_the_advice_for_a_copied_store_names_the_store_that_is_made(extracted: Path, fer_stage: FerStage) -> None:
    Path(STORE).rename("features/untrained/lab.zarr")
    params = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump({**params, "extract": {"resize": "squash"}}))
    message = fer_stage("train", "--method", "linear-probe", "--dataset", "lab", code=1)
    assert f"lab.zarr is an older copy of {STORE}: rename it" in message
    assert message.rstrip().endswith(f"` to make {STORE}")
    command = re.search(r"Run `fer-stage (.*?)`", message)
    assert command
    fer_stage(*command[1].split())
    fer_stage("train", "--method", "linear-probe", "--dataset", "my")


def test_the_advice_for_an_outdated_dataset_ends_the_trouble(extracted: Path, fer_stage: FerStage) -> None:
    _params(options={"split_seed": 5})
    train = ("train", "--method", "linear-probe", "--dataset", "my")
    command = re.search(r"`fer-stage (.*?)`", fer_stage(*train, code=1))
    assert command
    fer_stage(*command[1].split())
    fer_stage(*train)


def test_what_a_store_is_of_has_the_options(extracted: Path, fer_stage: FerStage) -> None:
    assert open_store(STORE).manifest.dataset["options"]["split_seed"] == 0
    _params(options={"split_seed": 5})
    rows = fer_stage("store", "why", "my", "--format", "json")
    assert "dataset.options.split_seed" in {row["field"] for row in rows}
    assert SampleTable.read(TABLE).info.options["split_seed"] == 0, "a question writes nothing"
    outdated = {row["name"]: row["outdated"] for row in fer_stage("datasets", "--format", "json")}
    assert outdated["my"] == "options.split_seed was 0, is 5"


def test_a_table_whose_images_are_elsewhere_is_used_with_a_note(
    extracted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _params(root="C")
    err = _extract(capsys)
    assert "note: tables/my.parquet is used as it is, as C is not on this machine" in err
    assert "root was 'A', is 'C'" in err


def test_tables_of_earlier_readers_are_made_again(extracted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = SampleTable.read(TABLE)
    write_table(SampleTable(table.frame, replace(table.info, reader=0)), TABLE)
    assert "indexing my again: reader was 0" in _extract(capsys)


def test_options_of_a_dataset_unknown_to_params_are_used_again(
    extracted: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ("index", "--dataset", "other", "--layout", "folder", "--root", "B", "--option", "val_fraction=0.4")
    fer_stage(*args)
    before = Path("tables/other.parquet").stat().st_mtime_ns
    assert run(["extract", "--dataset", "other"]) == 0
    assert "indexing" not in capsys.readouterr().err
    assert Path("tables/other.parquet").stat().st_mtime_ns == before


def test_a_table_under_another_datasets_name_is_not_taken_for_its(extracted: Path, fer_stage: FerStage) -> None:
    shutil.copy(TABLE, "tables/copied.parquet")
    message = fer_stage("extract", "--dataset", "copied", code=1)
    assert "tables/copied.parquet: expected the sample table of copied, found that of my" in message
    with pytest.raises(StageError, match="expected the sample table of copied, found that of my") as error:
        stages.align("copied")
    index = {"dataset": "copied", "layout": "folder", "root": "A", "tables": Path("tables")}
    assert error.value.remedy == [("index", index)]


def test_a_sample_that_params_would_draw_otherwise_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("sample: {images: 60, seed: 0}\n")
    assert run(["index", "--dataset", "sample-e", "--quiet"]) == 0
    extract = ["extract", "--dataset", "sample-e", "--encoder", "untrained", "--dry-run"]
    capsys.readouterr()
    assert run(extract) == 0
    assert "sample-e is not as" not in capsys.readouterr().err
    Path("params.yaml").write_text("sample: {images: 60, seed: 3}\n")
    assert run(extract) == 0
    assert "sample-e is not as `sample` in params.yaml describes it (seed was 0, is 3)" in capsys.readouterr().err


def test_images_whose_decoder_was_installed_since_are_encoded(
    extracted: Path, fer_stage: FerStage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pillow_heif", reason="needs pip install 'fer-stage[heic]'").register_heif_opener()
    pixels = np.random.default_rng(9).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save("A/train/fear/photo.heic", "HEIF")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed
        fer_stage("index", "--dataset", "my")
        fer_stage("extract", "--dataset", "my", "--max-rejected", "1")
        assert (open_store(STORE).frame["status"] == "rejected").sum() == 1
        assert "up to date" in _extract(capsys, "--max-rejected", "1")
    assert "indexing my again: HEIF images can be read now" in _extract(capsys)
    assert (open_store(STORE).frame["status"] == "ok").all()
    assert "up to date" in _extract(capsys)


def test_the_advice_for_images_that_changed_names_what_the_command_line_stated(
    extracted: Path, fer_stage: FerStage
) -> None:
    index = ("index", "--dataset", "other", "--layout", "folder", "--root", "B", "--option", "val_fraction=0.4")
    fer_stage(*index)
    shutil.copy("A/train/fear/A0.png", "B/train/fear/B0.png")
    extract = ("extract", "--dataset", "other")
    message = fer_stage(*extract, code=1)
    assert "Index the dataset again. Run `fer-stage " + " ".join(index) + "` and then try again" in message
    fer_stage(*index)
    fer_stage(*extract)


def test_train_says_that_params_would_extract_otherwise(
    extracted: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump(params | {"extract": {"dtype": "float32", "views": 2}}))
    train = ["train", "--method", "linear-probe", "--dataset", "my", "--encoder", "untrained"]
    capsys.readouterr()
    assert run(train) == 0
    assert (
        "my.zarr was made with --views 1 --dtype float16, which `extract` in params.yaml does not have"
        in capsys.readouterr().err
    )
    fer_stage("extract", "--dataset", "my", "--encoder", "untrained")
    capsys.readouterr()
    assert run(train) == 0
    assert "was made with" not in capsys.readouterr().err
