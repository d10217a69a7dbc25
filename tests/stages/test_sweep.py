"""Many runs by one command: seeds, grids, their folders, their spread; evaluate over many runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.errors import ParamsError
from stages.sweep import parse_grid, parse_seeds, spread_text

FerStage = Callable[..., Any]
TRAIN = ("train", "--method", "feature-mask", "--dataset", "sample-a")
RUNS = Path("runs/untrained/feature-mask/sample-a")


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", (3,)), ("0-3", (0, 1, 2, 3)), ("5,0-2", (5, 0, 1, 2)), ("1,1,0-1", (1, 0)), ("4-4", (4,))]
)
def test_seeds_are_numbers_and_ranges(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "3-1", "-1", "a", "1-", "0..9", "1,,2"])
def test_other_seeds_are_refused(text: str) -> None:
    with pytest.raises(ParamsError, match=r"expected whole numbers and ranges, such as 0-9"):
        parse_seeds(text)


def test_a_grid_is_every_combination() -> None:
    points = parse_grid(["beta_div=1,5.0", "sigmoid=true,false"])
    assert [(point.name, point.options) for point in points] == [
        ("beta_div=1,sigmoid=true", {"beta_div": 1, "sigmoid": True}),
        ("beta_div=1,sigmoid=false", {"beta_div": 1, "sigmoid": False}),
        ("beta_div=5.0,sigmoid=true", {"beta_div": 5.0, "sigmoid": True}),
        ("beta_div=5.0,sigmoid=false", {"beta_div": 5.0, "sigmoid": False}),
    ]
    assert [(point.name, point.options) for point in parse_grid([])] == [("", {})]


@pytest.mark.parametrize("axes", [["beta_div"], ["=1"], ["beta_div="], ["beta_div=1,"], ["lr=1", "lr=2"]])
def test_another_grid_is_refused(axes: list[str]) -> None:
    with pytest.raises(ParamsError, match=r"expected NAME=VALUE,VALUE"):
        parse_grid(axes)


def test_a_value_with_a_slash_stays_one_folder() -> None:
    assert parse_grid(["pretrained=a/b.safetensors"])[0].name == "pretrained=a-b.safetensors"


def test_the_spread_is_mean_and_sample_deviation() -> None:
    """Accuracies 0.5, 0.7: mean 0.6, deviation sqrt(2 * 0.01) = 0.141421. UAR equal: deviation 0."""
    scores = [{"accuracy": 0.5, "uar": 0.25}, {"accuracy": 0.7, "uar": 0.25}]
    assert spread_text(scores, "") == "accuracy 0.6000 ± 0.1414, uar 0.2500 ± 0.0000 over 2 seeds"
    assert spread_text(scores[:1], "val ") == "val accuracy 0.5000, val uar 0.2500 over 1 seeds"


def test_many_seeds_are_many_runs_each_like_one_alone(project: Path, fer_stage: FerStage) -> None:
    alone = json.loads((RUNS / "seed-0" / "run.json").read_text())
    records = fer_stage(*TRAIN, "--seeds", "0-2", "--format", "json")
    assert [record["path"] for record in sorted(records, key=lambda r: r["seed"])] == [
        str(RUNS / f"seed-{seed}") for seed in range(3)
    ]
    again = json.loads((RUNS / "seed-0" / "run.json").read_text())
    assert again["together"] >= 1
    assert again["val"] == alone["val"]
    for seed in range(3):
        assert {path.name for path in (RUNS / f"seed-{seed}").iterdir()} >= {"head.safetensors", "history.csv"}


def test_a_grid_has_a_folder_for_each_point_and_its_spread_on_stderr(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    records = fer_stage(*TRAIN, "--seeds", "0,1", "--grid", "beta_div=0.0,5.0", "--format", "json")
    assert {(record["variant"], record["seed"]) for record in records} == {
        (f"beta_div={value}", seed) for value in ("0.0", "5.0") for seed in (0, 1)
    }
    record = json.loads((RUNS / "beta_div=0.0" / "seed-1" / "run.json").read_text())
    assert (record["config"]["beta_div"], record["variant"]) == (0.0, "beta_div=0.0")
    scores = fer_stage("evaluate", "--run", str(RUNS), "--dataset", "sample-e", "--format", "json")
    assert len(scores) == 5
    report = fer_stage("report", "--format", "json")
    assert report["runs"] == 5
    assert "feature-mask beta_div=0.0" in Path("reports/index.html").read_text()


def test_an_unknown_option_in_a_grid_is_named_before_anything_is_trained(project: Path, fer_stage: FerStage) -> None:
    message = fer_stage(*TRAIN, "--grid", "beta=1,2", code=1)
    assert "beta_div" in message
    assert not (RUNS / "beta=1").exists()


def test_several_runs_are_scored_by_one_command(project: Path, fer_stage: FerStage) -> None:
    fer_stage(*TRAIN, "--seeds", "0,1")
    scores = fer_stage("evaluate", "--run", "runs", "--format", "json")
    assert {(score["run"], score["dataset"]) for score in scores} == {
        (str(RUNS / f"seed-{seed}"), dataset) for seed in (0, 1) for dataset in ("sample-a", "sample-e")
    }
    assert all((RUNS / f"seed-{seed}" / "scores.json").is_file() for seed in (0, 1))


def test_a_folder_without_runs_is_refused(project: Path, fer_stage: FerStage) -> None:
    Path("elsewhere").mkdir()
    assert "no trained run at elsewhere" in fer_stage("evaluate", "--run", "elsewhere", code=1)


def test_a_method_that_needs_pixels_says_which_command_keeps_them(project: Path, fer_stage: FerStage) -> None:
    message = fer_stage("train", "--method", "baseline", "--dataset", "sample-a", code=1)
    assert "fer-stage extract --dataset sample-a --encoder untrained --outputs pooled,pixels" in message
