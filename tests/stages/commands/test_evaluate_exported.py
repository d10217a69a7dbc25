"""`evaluate --run` scores what `predict --run` uses: runs, exported heads, and the head that fer-stage carries."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.predict.saved import DEFAULT_HEAD
from stages.errors import StageError
from stages.workflows.evaluate import DEFAULT, runs_below

FerStage = Callable[..., Any]
RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")


def test_an_exported_head_is_scored_as_its_run_and_nothing_is_written(project: Path, fer_stage: FerStage) -> None:
    fer_stage("head", "export", "--run", str(RUN), "--out", "heads/mine")
    before = {path: path.read_bytes() for path in sorted(Path("heads").rglob("*")) if path.is_file()}
    expected = fer_stage("evaluate", "--run", str(RUN), "--dry-run", "--format", "json")
    for named in ("heads/mine", "heads"):
        scores = fer_stage("evaluate", "--run", named, "--format", "json")
        # Predictions of an exported head are not kept.
        assert [score | {"run": ""} for score in scores] == [
            {name: value for name, value in score.items() if name != "predictions"} | {"run": ""} for score in expected
        ]
    assert {path: path.read_bytes() for path in sorted(Path("heads").rglob("*")) if path.is_file()} == before


def test_the_carried_head_is_found_by_the_word_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert runs_below([Path(DEFAULT)]) == [DEFAULT_HEAD]
    Path(DEFAULT).mkdir()  # a folder of one's own wins
    with pytest.raises(StageError, match=r"no trained run at default: expected a folder with run\.json"):
        runs_below([Path(DEFAULT)])


def test_the_carried_head_is_scored(project: Path, fer_stage: FerStage) -> None:
    content = {path.name for path in DEFAULT_HEAD.iterdir()}
    message = fer_stage("evaluate", "--run", "default", "--dataset", "sample-a", code=1)
    assert "no store at features/mini/sample-a.zarr" in message  # it is a head of mini
    fer_stage("extract", "--dataset", "sample-a", "--encoder", "mini", "--quiet")  # of faces as they are
    message = fer_stage("evaluate", "--run", "default", "--dataset", "sample-a", code=1)
    commands = message.rpartition("It reads aligned faces. Run `fer-stage ")[2].rstrip().removesuffix("`")
    for command in commands.split("`, then `fer-stage "):
        fer_stage(*command.split(), "--quiet")  # the remedy works
    [score] = fer_stage("evaluate", "--run", "default", "--dataset", "sample-a", "--format", "json")
    assert (score["dataset"], score["split"], score["n"]) == ("sample-a", "test", 10)
    assert {path.name for path in DEFAULT_HEAD.iterdir()} == content


def test_heads_below_a_folder_of_runs_are_not_counted_twice(tmp_path: Path) -> None:
    for name, file in (("seed-0", "run.json"), ("out", "head.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")
    assert runs_below([tmp_path]) == [tmp_path / "seed-0"]
    shutil.rmtree(tmp_path / "seed-0")
    assert runs_below([tmp_path]) == [tmp_path / "out"]
