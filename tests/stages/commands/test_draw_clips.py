"""`fer-stage draw` of clips, and what Python gets of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import stages
from stages.cli import run


def test_clips_are_drawn_as_many_as_asked_for_or_as_params_has(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["draw", "--style", "sample-video-e", "--clips", "21"]) == 0
    assert len(list(Path("data/sample-video-e/clips").glob("*.mp4"))) == 21
    assert "21 clips of sample-video-e in data/sample-video-e" in capsys.readouterr().err
    assert run(["draw", "--style", "sample-video-e", "--dry-run"]) == 0
    assert "would draw 210 clips" in capsys.readouterr().err
    Path("params.yaml").write_text("sample: {clips: 30}\nrun: {samples: [sample-video-e, sample-e], datasets: []}\n")
    assert run(["draw", "--dry-run", "--images", "70"]) == 0
    said = capsys.readouterr().err
    assert "would draw 30 clips of sample-video-e" in said
    assert "would draw 70 faces of sample-e" in said


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--style", "sample-video-a", "--images", "60"), "--images counts faces, and sample-video-a has clips"),
        (("--style", "sample-a", "--clips", "21"), "--clips counts clips, and sample-a has faces"),
        (("--style", "sample-video-a", "--clips", "20"), "20 is not in the range x>=21"),
        (("--group", "2", "--clips", "21"), "--images, --clips and --contact-sheet belong to a whole style"),
    ],
)
def test_what_does_not_fit_together_is_usage(
    empty: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], message: str
) -> None:
    assert run(["draw", *args]) == 2
    assert message in capsys.readouterr().err
    assert not list(empty.iterdir())


def test_an_unknown_name_is_an_error_that_suggests_one(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["draw", "--style", "sample-vido-a"]) == 1
    assert "Did you mean 'sample-video-a'?" in capsys.readouterr().err


def test_python_gets_a_row_for_each_clip(empty: Path) -> None:
    result = stages.draw("sample-video-e", clips=21, contact_sheet="sheet.png", quiet=True)
    assert list(result.frame["label"]).count("fear") == 3
    assert set(result.frame["split"]) == {"train", "val", "test"}
    with Image.open("sheet.png") as sheet:
        assert sheet.size == (12 * 48, 7 * 48)
