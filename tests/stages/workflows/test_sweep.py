"""Many runs by one command: seeds, grids, their folders, their spread; evaluate over many runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.cores import n_cores
from stages.cli import run
from stages.errors import ParamsError
from stages.names import variant_name
from stages.requests import TrainRequest
from stages.seeds import parse_seeds
from stages.workflows.sweep import grid_variants, parse_grid, spread_text
from stages.workflows.train import train_runs
from stages.workflows.train_plan import plans_of

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
    points = grid_variants(parse_grid(["beta_div=1,5.0", "sigmoid=true,false"]))
    assert [(point.name, point.options) for point in points] == [
        ("beta_div=1,sigmoid=true", {"beta_div": 1, "sigmoid": True}),
        ("beta_div=1,sigmoid=false", {"beta_div": 1, "sigmoid": False}),
        ("beta_div=5.0,sigmoid=true", {"beta_div": 5.0, "sigmoid": True}),
        ("beta_div=5.0,sigmoid=false", {"beta_div": 5.0, "sigmoid": False}),
    ]
    assert [(point.name, point.options) for point in grid_variants(parse_grid([]))] == [("", {})]


def test_a_value_of_a_grid_is_named_as_it_is_written_on_the_command_line() -> None:
    [point] = grid_variants(parse_grid(["lr=1e-3", "beta_div=05", "lr_decay=1.50"]))
    assert point.name == "lr=1e-3,beta_div=05,lr_decay=1.50"


@pytest.mark.parametrize(
    ("value", "text"),
    [(5, "5"), (0.5, "0.5"), (5.0, "5.0"), (True, "true"), (5e-06, "5.0e-06"), ("small", "small"), ("5", "'5'")],
)
def test_a_value_of_a_grid_in_python_is_named_as_yaml_writes_it(value: Any, text: str) -> None:
    """So the same grid on a command line has the same folders."""
    [point] = grid_variants({"option": [value]})
    assert (point.name, point.options) == (f"option={text}", {"option": value})
    assert grid_variants(parse_grid([f"option={text}"])) == [point]


def test_a_value_of_a_grid_may_have_a_name_of_its_own() -> None:
    points = grid_variants({"pretrained": {"clip": "/weights/a.pth", "none": ""}})
    assert [point.name for point in points] == ["pretrained=clip", "pretrained=none"]
    assert points[0].options == {"pretrained": "/weights/a.pth"}


def test_a_value_that_yaml_does_not_write_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"grid: option: expected numbers, .* found PosixPath"):
        grid_variants({"option": [Path("a")]})


@pytest.mark.parametrize("axes", [["beta_div"], ["=1"], ["beta_div="], ["beta_div=1,"], ["lr=1", "lr=2"]])
def test_another_grid_is_refused(axes: list[str]) -> None:
    with pytest.raises(ParamsError, match=r"expected NAME=VALUE,VALUE"):
        parse_grid(axes)


def test_a_value_with_a_slash_stays_one_folder() -> None:
    assert variant_name("pretrained=a/b.safetensors") == "pretrained=a-b.safetensors"


def test_the_spread_is_mean_and_sample_deviation() -> None:
    """Accuracies 0.5, 0.7: mean 0.6, deviation sqrt(2 * 0.01) = 0.141421. UAR equal: deviation 0."""
    scores = [{"accuracy": 0.5, "uar": 0.25}, {"accuracy": 0.7, "uar": 0.25}]
    assert spread_text(scores, "") == "accuracy 0.6000 ± 0.1414, uar 0.2500 ± 0.0000 over 2 seeds"
    assert spread_text(scores, "val ").startswith("val accuracy 0.6000 ± 0.1414, val uar")


def test_many_seeds_are_many_runs_each_like_one_alone(project: Path, fer_stage: FerStage) -> None:
    """Every core trains two of them as one batch of networks."""
    n_seeds = 2 * n_cores()
    alone = json.loads((RUNS / "seed-0" / "run.json").read_text())
    records = fer_stage(*TRAIN, "--seeds", f"0-{n_seeds - 1}", "--force", "--format", "json")
    folders = [RUNS / f"seed-{seed}" for seed in range(n_seeds)]
    assert [record["path"] for record in records] == [str(folder) for folder in folders]
    written = [json.loads((folder / "run.json").read_text()) for folder in folders]
    assert (alone["together"], [record["together"] for record in written]) == (1, [2] * n_seeds)
    assert written[0]["val"] == alone["val"]
    for folder in folders:
        assert {path.name for path in folder.iterdir()} == {"head.safetensors", "history.csv", "run.json"}


def test_a_grid_has_a_folder_for_each_point_and_its_spread_on_stderr(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*TRAIN, "--seeds", "0,1", "--grid", "beta_div=0.0,5.0", "--format", "json"]) == 0
    printed = capsys.readouterr()
    assert [(record["variant"], record["seed"]) for record in json.loads(printed.out)] == [
        (f"beta_div={value}", seed) for value in ("0.0", "5.0") for seed in (0, 1)
    ]
    assert [line.partition(":")[0] for line in printed.err.splitlines() if "over 2 seeds" in line] == [
        "beta_div=0.0",
        "beta_div=5.0",
    ]
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


def test_a_method_that_draws_nothing_is_trained_once(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every seed gives the same head: ten equal heads would show a deviation of 0 that was not measured."""
    args = ["train", "--method", "linear-probe", "--dataset", "sample-a", "--option", "max_log10_c=0"]
    assert run([*args, "--seeds", "3-5", "--grid", "max_log10_c=-5,0", "--format", "json"]) == 0
    printed = capsys.readouterr()
    assert [(record["variant"], record["seed"]) for record in json.loads(printed.out)] == [
        ("max_log10_c=-5", 3),
        ("max_log10_c=0", 3),
    ]
    assert "every seed gives the same head of linear-probe: seed 3 alone is trained" in printed.err
    assert fer_stage(*args, "--seed", "4", "--dry-run", "--format", "json")["seed"] == 4


def test_another_text_or_prompt_set_is_a_variant_and_the_usual_one_is_not(project: Path, fer_stage: FerStage) -> None:
    fer_stage("encode-text", "--prompts", "clip")
    train = ("train", "--method", "zero-shot", "--dataset", "sample-a", "--dry-run", "--format", "json")
    assert fer_stage(*train, "--prompts", "clip")["path"].endswith("zero-shot/sample-a/prompts=clip/seed-0")
    assert fer_stage(*train, "--prompts", "kefer", "--text", "untrained")["variant"] == ""


@pytest.mark.parametrize("option", ["--text", "--prompts"])
def test_text_for_a_method_that_reads_none_is_refused(project: Path, fer_stage: FerStage, option: str) -> None:
    value = "untrained" if option == "--text" else "clip"
    assert "feature-mask reads no text" in fer_stage(*TRAIN, option, value, code=1)


@pytest.mark.parametrize(
    ("args", "advice"),
    [
        (("--encoder", "open_clip:ViT-B-32/openai"), "fer-stage extract --dataset sample-a --encoder {} --backend"),
        (("--text", "transformers:blip/some/model"), "fer-stage encode-text --encoder {} --prompts kefer"),
    ],
    ids=["features", "text"],
)
def test_advice_names_an_encoder_as_the_command_takes_it(
    project: Path, fer_stage: FerStage, args: tuple[str, str], advice: str
) -> None:
    """Its folder is called otherwise, and that name means nothing to --encoder."""
    message = fer_stage("train", "--method", "kefer", "--dataset", "sample-a", *args, code=1)
    assert advice.format(args[1]) in message


def test_a_run_that_diverges_leaves_those_before_and_after_it_alone(project: Path, fer_stage: FerStage) -> None:
    args = (
        "train",
        "--method",
        "baseline",
        "--dataset",
        "sample-a",
        "--option",
        "epochs=1",
        "--option",
        "backbone=small",
    )
    fer_stage("extract", "--dataset", "sample-a", "--outputs", "pooled,pixels", "--decoders", "1")
    message = fer_stage(*args, "--grid", "lr=1.0e+30,0.001,1.0e+29", "--option", "batch_size=8", code=1)
    assert "2 heads could not be trained\n  baseline, lr=1e+30, seed 0: epoch 1, step" in message
    assert "\n  baseline, lr=1e+29, seed 0: epoch 1, step" in message
    assert "expected a finite loss, found loss" in message
    assert "1 of 3 runs are finished and are kept" in message
    assert [path.parent.parent.name for path in Path("runs/untrained/baseline").rglob("run.json")] == ["lr=0.001"]


def test_a_grid_point_that_diverges_leaves_those_of_its_stack_alone(project: Path, fer_stage: FerStage) -> None:
    """feature-mask trains points that differ in a factor as one batch of networks."""
    message = fer_stage(*TRAIN, "--grid", "beta_div=1.0,1.0e+39,5.0", "--seeds", "0,1", code=1)
    assert "2 heads could not be trained\n  feature-mask, beta_div=1e+39, seed 0: epoch 1, step 1: expected" in message
    assert "4 of 6 runs are finished and are kept" in message
    written = {path.parent.parent.name for path in Path("runs/untrained/feature-mask").rglob("beta_div*/*/run.json")}
    assert written == {"beta_div=1.0", "beta_div=5.0"}


def test_a_place_that_takes_no_runs_is_found_before_training(project: Path, fer_stage: FerStage) -> None:
    Path("full").mkdir()
    Path("full/untrained").write_text("a file in the way")
    message = fer_stage(*TRAIN, "--runs", "full", "--dry-run", code=1)
    assert "full/untrained: expected a folder to write runs to" in message


def test_a_dry_run_of_many_writes_nothing(project: Path, fer_stage: FerStage) -> None:
    before = sorted(Path().rglob("*"))
    plan = fer_stage(*TRAIN, "--seeds", "0-4", "--grid", "hidden=16,32", "--dry-run", "--format", "json")
    assert [(step["variant"], step["seed"]) for step in plan] == [
        (f"hidden={hidden}", seed) for hidden in (16, 32) for seed in range(5)
    ]
    assert sorted(Path().rglob("*")) == before


def test_a_head_and_a_record_of_different_runs_are_refused(project: Path, fer_stage: FerStage) -> None:
    """As a kill between the two writes leaves them, or two processes that train the same run."""
    fer_stage(*TRAIN, "--seed", "1")
    (RUNS / "seed-0" / "head.safetensors").write_bytes((RUNS / "seed-1" / "head.safetensors").read_bytes())
    message = fer_stage("evaluate", "--run", str(RUNS), code=1)
    assert f"{RUNS / 'seed-0'}: head.safetensors is not the head that run.json describes" in message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"head": {"format": 1, "kind": "linear"}}, "expected format 2, found 1"),
        ({"head": None}, "head: Field required"),
    ],
    ids=["older", "damaged"],
)
def test_a_run_that_cannot_be_read_is_named(
    project: Path, fer_stage: FerStage, changes: dict[str, Any], expected: str
) -> None:
    path = RUNS / "seed-0" / "run.json"
    record = {name: value for name, value in (json.loads(path.read_text()) | changes).items() if value is not None}
    path.write_text(json.dumps(record))
    message = fer_stage("evaluate", "--run", "runs", code=1)
    assert expected in message
    assert str(RUNS / "seed-0") in message


def test_an_encoder_that_was_written_out_is_still_known_when_the_run_is_scored(
    project: Path, fer_stage: FerStage
) -> None:
    path = RUNS / "seed-0" / "run.json"
    record = json.loads(path.read_text())
    assert record["encoder_named"] == "untrained"
    spec = "open_clip:ViT-B-32/openai"
    path.write_text(json.dumps(record | {"encoder": "open_clip-ViT-B-32-openai", "encoder_named": spec}))
    message = fer_stage("evaluate", "--run", str(RUNS), "--dataset", "sample-e", code=1)
    assert f"fer-stage extract --dataset sample-e --encoder {spec} --backend" in message


def test_progress_of_runs_one_after_the_other_has_one_end(project: Path, fer_stage: FerStage) -> None:
    """Two image networks of three epochs: 1 to 6 of 6, not 1 to 3 of 3 twice."""
    fer_stage("extract", "--dataset", "sample-a", "--outputs", "pooled,pixels", "--decoders", "1")
    request = TrainRequest(
        "baseline", "sample-a", seeds=[0, 1], options={"epochs": 3, "backbone": "small"}, device="cpu"
    )
    steps: list[tuple[int, int]] = []
    for _ in train_runs(plans_of(request), lambda step: steps.append((step.done, step.total))):
        pass
    assert steps == [(done, 6) for done in range(1, 7)]


def test_several_runs_are_scored_by_one_command(project: Path, fer_stage: FerStage) -> None:
    fer_stage(*TRAIN, "--seeds", "0,1")
    scores = fer_stage("evaluate", "--run", "runs", "--format", "json")
    assert {(score["run"], score["dataset"]) for score in scores} == {
        (str(RUNS / f"seed-{seed}"), dataset) for seed in (0, 1) for dataset in ("sample-a", "sample-e")
    }
    scored = Path("runs/scores", RUNS.relative_to("runs"))
    assert all((scored / f"seed-{seed}" / "scores.json").is_file() for seed in (0, 1))


def test_a_folder_without_runs_is_refused(project: Path, fer_stage: FerStage) -> None:
    Path("elsewhere").mkdir()
    assert "no trained run at elsewhere" in fer_stage("evaluate", "--run", "elsewhere", code=1)


def test_a_method_that_needs_pixels_says_which_command_keeps_them(project: Path, fer_stage: FerStage) -> None:
    message = fer_stage("train", "--method", "baseline", "--dataset", "sample-a", code=1)
    assert "fer-stage extract --dataset sample-a --encoder untrained --backend zarr --outputs pooled,pixels" in message


def test_classes_without_train_rows_are_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The drawn datasets have no contempt."""
    Path("params.yaml").write_text("classes: 8\n" + Path("params.yaml").read_text())
    assert run(["extract", "--dataset", "sample-a"]) == 0
    assert run(["train", "--method", "linear-probe", "--dataset", "sample-a"]) == 0
    assert "note: no train rows: contempt" in capsys.readouterr().err
    record = json.loads(Path("runs/untrained/linear-probe/sample-a/seed-0/run.json").read_text())
    assert record["findings"]["no_train_rows"] == ["contempt"]
    assert record["calibration"]["n_left_out"] == 0
