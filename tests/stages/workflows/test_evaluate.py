"""`stages.evaluate(...)`: the scores of the command, as a frame with a row per run and dataset."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import stages
from pipeline.errors import InputError
from stages.errors import ParamsError
from stages.requests import EvaluateRequest

FerStage = Callable[..., Any]
RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")
SCORES = Path("runs/scores/untrained/feature-mask/sample-a/seed-0/scores.json")


@dataclass(frozen=True)
class Trained:
    """As the result of `stages.train` names its runs."""

    folders: tuple[Path, ...]


@pytest.mark.parametrize(
    "runs",
    ["a/seed-0", Path("a/seed-0"), ["a/seed-0"], Trained((Path("a/seed-0"),)), [Trained((Path("a/seed-0"),))]],
    ids=["text", "path", "list", "trained", "several trained"],
)
def test_runs_are_one_path_several_or_what_train_returned(runs: Any) -> None:
    assert EvaluateRequest(runs).runs == (Path("a/seed-0"),)


def test_several_trainings_keep_their_order() -> None:
    assert EvaluateRequest(["a", Trained((Path("c"), Path("b")))]).runs == (Path("a"), Path("c"), Path("b"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("runs", "words"), [([], "at least 1 item"), (3, "should be a valid tuple")])
def test_no_run_is_refused_before_anything_is_read(runs: Any, words: str) -> None:
    with pytest.raises(ParamsError, match=words):
        stages.evaluate(runs)


def test_the_frame_has_a_row_per_run_and_dataset(project: Path, fer_stage: FerStage) -> None:
    fer_stage("train", "--method", "feature-mask", "--dataset", "sample-a", "--seeds", "1", "--option", "epochs=1")
    result = stages.evaluate((RUN.parent,))
    frame = result.frame
    assert list(zip(frame["seed"], frame["dataset"], strict=True)) == [
        (0, "sample-a"),
        (0, "sample-e"),
        (1, "sample-a"),
        (1, "sample-e"),
    ]
    assert set(frame["trained_on"]) == {"sample-a"}
    assert set(frame["encoder"]) == {"untrained"}
    assert set(frame["method"]) == {"feature-mask"}
    [written] = [score for score in json.loads(SCORES.read_text()) if score["dataset"] == "sample-e"]
    row: Any = frame.iloc[1].to_dict()
    assert (row["run"], row["split"], row["n"], row["seen"]) == (str(RUN), "test", written["n"], False)
    assert (row["accuracy"], row["uar"], row["ece"]) == (written["accuracy"], written["uar"], written["ece"])
    for metric in ("accuracy", "uar"):
        assert [row[f"{metric}_low"], row[f"{metric}_high"]] == written["ci95"][metric]
    assert (row["overlap_train"], row["overlap_val"], row["excluded_overlap"]) == (0, 0, 0)
    assert "<table" in result._repr_html_()


def test_scores_are_what_the_command_prints(project: Path, fer_stage: FerStage) -> None:
    printed = fer_stage("evaluate", "--run", str(RUN), "--format", "json")
    result = stages.evaluate((RUN,))
    assert json.loads(json.dumps(result.scores)) == printed
    assert list(result.scores[0]) == list(printed[0])
    assert [run.path for run in result.runs] == [SCORES]
    assert result.notes == tuple({score["note"] for score in printed})


def test_a_dry_run_and_another_split_name_no_file(project: Path) -> None:
    SCORES.unlink()
    for options in ({"dry_run": True}, {"split": "val"}):
        assert [run.path for run in stages.evaluate((RUN,), **options).runs] == [None]  # type: ignore[arg-type]
    assert not SCORES.exists()


def test_overlap_that_was_not_checked_is_missing_in_the_frame(project: Path) -> None:
    shutil.rmtree("features/untrained/sample-a.zarr")
    result = stages.evaluate((RUN,), datasets=("sample-e",))
    assert result.frame["overlap_train"].isna().all()
    assert any("was not checked" in note for note in result.notes)


def test_scores_of_runs_before_one_that_cannot_be_read_are_written(project: Path, fer_stage: FerStage) -> None:
    fer_stage("train", "--method", "linear-probe", "--dataset", "sample-a")
    broken = Path("runs/untrained/linear-probe/sample-a/seed-0/run.json")
    broken.write_text(broken.read_text()[:-20])
    SCORES.unlink()
    with pytest.raises(InputError, match="is damaged"):
        stages.evaluate((RUN, broken.parent))
    assert SCORES.exists()
