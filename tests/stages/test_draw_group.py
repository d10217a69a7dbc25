"""`fer-stage draw --group`: one picture of several people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.drawn import draw_group
from stages.cli import run

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
    ("args", "said"),
    [
        (("--group", "2", "--out", "two.txt"), "--out: expected a name that ends with .png or .jpg"),
        (("--group", "2", "--images", "60"), "--images and --contact-sheet belong to a whole style"),
        ((), "--style: expected sample-a to sample-e, found none"),
    ],
)
def test_what_does_not_fit_together_is_usage(
    args: tuple[str, ...], said: str, empty: Path, fer_stage: FerStage
) -> None:
    assert said in fer_stage("draw", *args, code=2)


def test_too_many_people_are_an_error(empty: Path, fer_stage: FerStage) -> None:
    assert "expected 1 to 100 people, found 101" in fer_stage("draw", "--group", "101", code=1)
