"""A dataset whose labels are numbers: a picture beside the table, and advice that works."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from trees import pack, picture

import stages
from pipeline.errors import AmbiguousLabelsError

FerStage = Callable[..., Any]
FILES = {f"train/{i}/{j}.png": picture(100 + 10 * i + j) for i in range(7) for j in range(12)}
SHEET = Path("tables/mine.codes.png")
OF_FOLDER = ("--dataset", "mine", "--layout", "folder", "--root", "root.folder")


@pytest.fixture(autouse=True)
def root(empty: Path) -> Path:
    return pack(FILES, empty, "folder")


def advised(message: str) -> list[str]:
    """The words of the command in a message, with a map."""
    command = re.search(r"Run `fer-stage (.*?)` with a map in place of NAME", message)
    assert command
    return shlex.split(command[1].replace("NAME", "fer2013"))


def test_index_writes_the_sheet_and_its_advice_works(fer_stage: FerStage) -> None:
    message = fer_stage("index", *OF_FOLDER, code=1)
    assert f"{SHEET} shows 8 images of each number" in message
    assert sorted(path.name for path in Path("tables").iterdir()) == [SHEET.name]
    fer_stage(*advised(message), "--dry-run")
    assert SHEET.exists()
    fer_stage(*advised(message))
    assert Path("tables/mine.parquet").exists()
    assert not SHEET.exists()


def test_each_number_has_a_row_of_eight_pictures(fer_stage: FerStage) -> None:
    fer_stage("index", *OF_FOLDER, code=1)
    sheet = Image.open(SHEET)
    assert sheet.size == (160 + 8 * 116, 7 * 116)
    cells = [[sheet.getpixel((160 + 116 * j + 56, 116 * i + 56)) for j in range(8)] for i in range(7)]
    assert all(cell != (32, 32, 32) for row in cells for cell in row)


def test_images_that_cannot_be_decoded_are_left_out(root: Path, fer_stage: FerStage) -> None:
    for j in range(10):
        (root / f"train/3/{j}.png").write_bytes(b"no picture")
    fer_stage("index", *OF_FOLDER, code=1)
    sheet = Image.open(SHEET)
    cells = [sheet.getpixel((160 + 116 * j + 56, 116 * 3 + 56)) for j in range(8)]
    assert [cell != (32, 32, 32) for cell in cells] == [True] * 2 + [False] * 6


def test_a_dry_run_writes_nothing(fer_stage: FerStage) -> None:
    message = fer_stage("index", *OF_FOLDER, "--dry-run", code=1)
    assert "codes=affectnet: " in message
    assert "codes.png" not in message
    assert not Path("tables").exists()


def test_extract_that_indexes_gives_advice_that_works(fer_stage: FerStage) -> None:
    message = fer_stage("extract", *OF_FOLDER, code=1)
    assert f"{SHEET} shows" in message
    assert "and then try again without a layout and a root" in message
    fer_stage(*advised(message))
    fer_stage("extract", "--dataset", "mine", "--encoder", "untrained", "--max-rejected", "1", "--dry-run")


def test_a_dataset_of_params_yaml_is_advised_to_have_codes_there(fer_stage: FerStage) -> None:
    params = "datasets:\n  mine: {layout: folder, root: root.folder%s}\n"
    Path("params.yaml").write_text(params % "")
    message = fer_stage("index", "--dataset", "mine", code=1)
    assert "Write the name of the map into params.yaml, as `codes` of datasets.mine.options" in message
    Path("params.yaml").write_text(params % ", options: {codes: fer2013}")
    fer_stage("index", "--dataset", "mine")
    fer_stage("extract", "--dataset", "mine", "--encoder", "untrained", "--max-rejected", "1", "--dry-run")


def test_a_sheet_that_cannot_be_written_hides_no_labels(fer_stage: FerStage) -> None:
    SHEET.mkdir(parents=True)
    message = fer_stage("index", *OF_FOLDER, code=1)
    assert "7 unknown labels, all of them numbers" in message
    assert "Examples of each number could not be written: " in message


def test_python_has_the_maps_and_the_examples_as_data() -> None:
    with pytest.raises(AmbiguousLabelsError) as caught:
        stages.index("mine", layout="folder", root="root.folder", quiet=True)
    assert "fer2013" in caught.value.presets
    assert len(caught.value.examples["3"]) == 12
    assert SHEET.exists()
