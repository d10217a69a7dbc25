"""`fer-stage draw`: with --group one picture of several people; and what Python gets of either."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import stages
from pipeline.datasets.drawn import draw_group
from pipeline.errors import ConfigError
from stages.cli import run
from stages.errors import ParamsError

FerStage = Callable[..., Any]


def test_a_group_is_one_picture_in_the_most_photo_like_style(empty: Path, fer_stage: FerStage) -> None:
    fer_stage("draw", "--group", "3", "--seed", "5")
    with Image.open("group.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), draw_group("sample-d", 3, 5))
    assert [path.name for path in empty.iterdir()] == ["group.png"]


def test_style_and_file_can_be_chosen(empty: Path, fer_stage: FerStage) -> None:
    fer_stage("draw", "--group", "2", "--style", "sample-b", "--out", "deep/two.png")
    with Image.open("deep/two.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), draw_group("sample-b", 2, 0))


def test_a_dry_run_writes_nothing(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["draw", "--group", "3", "--dry-run"]) == 0
    assert "would draw 3 people of sample-d in group.png" in capsys.readouterr().err
    assert not list(empty.iterdir())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--group", "2", "--out", "two.txt"), "--out: expected a name that ends with .png or .jpg"),
        (("--group", "2", "--images", "60"), "--images, --clips and --contact-sheet belong to a whole style"),
        (("--group", "2", "--style", "sample-a", "--style", "sample-b"), "--group: expected one --style"),
        (("--contact-sheet", "a.png"), "--contact-sheet: expected one --style"),
        (
            ("--style", "sample-a", "--contact-sheet", "a.gif"),
            "--contact-sheet: expected a name that ends with .png or .jpg, found a.gif",
        ),
    ],
)
def test_what_does_not_fit_together_is_usage(
    args: tuple[str, ...], message: str, empty: Path, fer_stage: FerStage
) -> None:
    assert message in fer_stage("draw", *args, code=2)


def test_too_many_people_are_an_error(empty: Path, fer_stage: FerStage) -> None:
    assert "expected 1 to 100 people, found 101" in fer_stage("draw", "--group", "101", code=1)


def test_python_gets_the_rows_of_the_label_file(empty: Path) -> None:
    result = stages.draw("sample-e", images=60, seed=2)
    labels = pd.read_csv(result.path / "labels.csv")
    pd.testing.assert_frame_equal(result.frame.round({"intensity": 3}), labels.drop(columns="path"), check_dtype=False)
    assert result.path == Path("data/sample-e")


def test_a_dry_run_in_python_knows_the_faces_and_draws_none(empty: Path) -> None:
    planned = stages.draw("sample-e", images=60, seed=2, dry_run=True, contact_sheet=Path("sheet.png"))
    assert not list(empty.iterdir())
    assert planned.frame.equals(stages.draw("sample-e", images=60, seed=2).frame)


def test_python_knows_the_expressions_of_a_group(empty: Path) -> None:
    result = stages.draw(group=4, seed=5)
    assert (len(result.frame), result.frame["subject"].nunique()) == (4, 4)
    assert result.path.is_file()


def test_python_names_parameters_where_the_command_names_options(empty: Path) -> None:
    with pytest.raises(ParamsError, match="`group` draws one picture: `images`, `clips` and `contact_sheet` belong"):
        stages.draw(group=2, images=60)
    with pytest.raises(
        ParamsError, match="`style`: expected sample-a to sample-e, or sample-video-a to sample-video-e, found none"
    ):
        stages.draw()
    with pytest.raises(ConfigError, match="sample-z"):
        stages.draw("sample-z")
    assert not list(empty.iterdir())


def test_several_styles_are_drawn_at_once_as_each_alone(empty: Path, fer_stage: FerStage) -> None:
    Path("params.yaml").write_text("sample: {images: 60}\nrun: {samples: [sample-e, sample-b], datasets: []}\n")
    fer_stage("draw", "--out", "drawn")
    assert sorted(path.name for path in Path("drawn").iterdir()) == ["sample-b", "sample-e"]
    fer_stage("draw", "--style", "sample-e", "--out", "alone")
    files = {path.relative_to("alone"): path.read_bytes() for path in Path("alone").rglob("*") if path.is_file()}
    assert len(files) > 60
    assert all((Path("drawn/sample-e") / name).read_bytes() == data for name, data in files.items())


def test_no_styles_are_an_empty_folder(empty: Path, fer_stage: FerStage) -> None:
    """DVC expects the output of a stage, whatever `run.samples` has."""
    Path("params.yaml").write_text("run: {samples: [], datasets: []}\n")
    fer_stage("draw", "--out", "drawn")
    assert list(Path("drawn").iterdir()) == []
