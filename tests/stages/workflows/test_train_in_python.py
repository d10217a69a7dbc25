"""`stages.train` and `stages.encode_text`: what they return, and that they do what their commands do."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stages
from cache.texts import TextStore
from pipeline.errors import TrainingError
from stages.errors import ParamsError, StageError
from stages.remedies import as_calls
from stages.requests import TrainRequest
from stages.results import PartialTrainingError

FerStage = Callable[..., Any]
RUNS = Path("runs/untrained/feature-mask/sample-a")


def files_below(folder: Path) -> dict[str, bytes]:
    """Content by path; of run.json without what differs between two runs."""
    content = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path.name == "run.json":
                data = json.dumps({**json.loads(data), "seconds": 0}).encode()
            content[str(path.relative_to(folder))] = data
    return content


def test_a_grid_in_python_writes_the_files_of_the_same_grid_on_a_command_line(
    project: Path, fer_stage: FerStage
) -> None:
    fer_stage(
        *("train", "--method", "feature-mask", "--dataset", "sample-a", "--runs", "by-command"),
        *("--seeds", "1,0", "--grid", "beta_div=0.5,5", "--grid", "sigmoid=true", "--option", "epochs=2"),
    )
    result = stages.train(
        "feature-mask",
        "sample-a",
        seeds=[1, 0],
        grid={"beta_div": [0.5, 5], "sigmoid": [True]},
        options={"epochs": 2},
        runs="by-call",
    )
    assert [str(folder.relative_to("by-call/untrained/feature-mask/sample-a")) for folder in result.folders] == [
        f"beta_div={value},sigmoid=true/seed-{seed}" for value in ("0.5", "5") for seed in (1, 0)
    ]
    written = files_below(Path("by-call"))
    assert len([name for name in written if name.endswith("run.json")]) == 4
    assert written == files_below(Path("by-command"))


def test_the_frame_has_a_row_per_run_in_the_order_of_the_request(project: Path) -> None:
    result = stages.train("feature-mask", "sample-a", seeds=range(2, -1, -1), curves="curves")
    frame = result.frame
    assert frame["seed"].tolist() == [2, 1, 0]
    assert frame["path"].tolist() == [str(RUNS / f"seed-{seed}") for seed in (2, 1, 0)]
    for row, run in zip(frame.to_dict("records"), result.runs, strict=True):
        record = json.loads((run.folder / "run.json").read_text())
        assert run.record.as_json() == record
        assert (row["val_accuracy"], row["val_uar"]) == (record["val"]["accuracy"], record["val"]["uar"])
        same = ("method", "encoder", "dataset", "variant", "epochs", "selected_epoch", "seconds", "n_train", "n_val")
        assert {name: row[name] for name in same} == {name: record[name] for name in same}
    assert result.note == record["encoder_note"]
    assert "<table" in result._repr_html_()
    assert sorted(path.name for path in Path("curves").iterdir()) == ["seed-0.csv", "seed-1.csv", "seed-2.csv"]


def test_a_dry_run_gives_what_would_be_trained_and_writes_nothing(project: Path) -> None:
    before = sorted(Path().rglob("*"))
    result = stages.train("feature-mask", "sample-a", seeds=[0, 7], dry_run=True)
    assert (result.runs, result.folders) == ((), ())
    assert [(run.seed, run.folder) for run in result.planned] == [(0, RUNS / "seed-0"), (7, RUNS / "seed-7")]
    assert result.planned[0].config["lambda_sep"] == 1.5
    assert result.planned[0].run_key == json.loads((RUNS / "seed-0" / "run.json").read_text())["run_key"]
    assert result.frame["path"].tolist() == [str(RUNS / "seed-0"), str(RUNS / "seed-7")]
    assert sorted(Path().rglob("*")) == before


def test_an_error_about_some_runs_carries_the_others(project: Path) -> None:
    with pytest.raises(PartialTrainingError, match=r"^feature-mask, beta_div=1e\+39, seed 0: epoch 1") as error:
        stages.train("feature-mask", "sample-a", seeds=0, grid={"beta_div": [1.0, 1e39, 5.0]})
    finished = error.value.result
    assert finished.frame["variant"].tolist() == ["beta_div=1.0", "beta_div=5.0"]
    assert all((folder / "run.json").is_file() for folder in finished.folders)
    assert [run.variant for run in finished.planned] == ["beta_div=1.0", "beta_div=1.0e+39", "beta_div=5.0"]
    assert error.value.kind == "training"


def test_what_no_run_survives_is_an_error_without_a_result(project: Path) -> None:
    with pytest.raises(TrainingError) as error:
        stages.train("feature-mask", "sample-a", seeds=[0, 1], options={"lr": 1e30, "batch_size": 8})
    assert not isinstance(error.value, PartialTrainingError)
    assert "0 of 2 runs are finished" in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"seeds": "0-9"}, "seeds: "),
        ({"seeds": [2**32]}, "seeds.0: Input should be less than or equal to 4294967295"),
        ({"seeds": []}, "seeds: "),
        ({"seeds": range(10**9)}, "seeds: "),
        ({"grid": {"beta_div": 5}}, "beta_div: expected several values, such as"),
        ({"grid": {"beta_div": "1,5"}}, "beta_div: expected several values, such as"),
        ({"grid": {"beta_div": []}}, "beta_div: expected at least one value"),
    ],
)
def test_wrong_seeds_and_grids_are_named(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ParamsError) as error:
        stages.train("feature-mask", "sample-a", **arguments)
    assert str(error.value).startswith("stages.train: 1 problem")
    assert problem in str(error.value)


def test_seeds_and_grids_may_be_ranges_and_arrays() -> None:
    request = TrainRequest("cafe", "x", seeds=np.arange(3), grid={"lr": np.array([0.5, 1.0]), "epochs": range(1, 3)})
    assert request.seeds == (0, 1, 2)
    assert request.grid == {"lr": (0.5, 1.0), "epochs": (1, 2)}
    assert [type(value) for value in request.grid["lr"]] == [float, float]
    assert TrainRequest("cafe", "x", seeds=3).seeds == (3,)


def test_text_vectors_have_a_row_per_sentence(project: Path) -> None:
    result = stages.encode_text(prompts="clip-faces")
    frame = result.frame
    assert len(frame) == 6 * 8
    assert frame.iloc[1].to_dict() == {
        "template": "a photo of a [ADJ] looking face.",
        "class": "fear",
        "sentence": "a photo of a fearful looking face.",
    }
    texts = TextStore.read(result.path)
    assert result.vectors is not None
    assert np.array_equal(result.vectors, texts.vectors)
    assert (result.key, result.templates, result.classes) == (texts.key, texts.templates, texts.classes)


def test_text_vectors_that_are_there_are_read_and_a_dry_run_makes_none(project: Path) -> None:
    path = Path("features/untrained/text/kefer.npz")
    before = path.stat().st_mtime_ns
    assert stages.encode_text().vectors is not None
    assert path.stat().st_mtime_ns == before
    planned = stages.encode_text(prompts="clip", dry_run=True)
    assert (planned.vectors, planned.path.exists(), len(planned.frame)) == (None, False, 8)


def test_an_encoder_without_text_has_an_empty_set_where_that_is_allowed(project: Path) -> None:
    import timm
    import torch

    torch.save(timm.create_model("test_efficientnet").state_dict(), "w.pth")
    result = stages.encode_text("timm:test_efficientnet@w.pth", if_any=True)
    assert (result.templates, len(result.frame)) == ((), 0)
    assert list(result.frame) == ["template", "class", "sentence"]


def test_text_below_another_root_is_made_by_the_command_and_the_call_in_the_error(
    project: Path, fer_stage: FerStage
) -> None:
    Path("features").rename("my features")
    Path("my features/untrained/text/kefer.npz").unlink()
    train = ("train", "--method", "kefer", "--dataset", "sample-a", "--features", "my features")
    words = shlex.split(fer_stage(*train, code=1).partition("`fer-stage ")[2].partition("`")[0])
    assert words == ["encode-text", "--encoder", "untrained", "--prompts", "kefer", "--features", "my features"]
    fer_stage(*words)
    fer_stage(*train)


def test_an_encoder_without_text_is_refused_with_calls_that_make_another_ones(project: Path) -> None:
    params = Path("params.yaml")
    encoders = "{images: 'timm:resnet18@w.pth', untrained: untrained}"
    params.write_text(params.read_text().replace("{untrained: untrained}", encoders))
    with pytest.raises(StageError, match=r"`images` has no text tower, .* such as --text untrained\n") as error:
        stages.train("kefer", "sample-a", text="images")
    assert as_calls(error.value).startswith("Run stages.encode_text(encoder='untrained', prompts='kefer'")
