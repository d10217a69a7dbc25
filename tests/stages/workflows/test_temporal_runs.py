"""Heads on the frames of clips through train, evaluate and head export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clip_project import as_clips

import stages
from pipeline.errors import TrainingError
from pipeline.predict.saved import read_saved

FerStage = Callable[..., Any]
METHODS = {"temporal-attention": {"queries": 2}, "temporal-transformer": {"layers": 2, "hidden": 32, "head_width": 8}}


@pytest.fixture
def clips(project: Path, fer_stage: FerStage) -> Path:
    """sample-a as clips of three frames, sample-e as images."""
    as_clips("sample-a", n_frames=3)
    fer_stage("extract", "--dataset", "sample-a", "--decoders", "1")
    return project


@pytest.mark.parametrize("method", METHODS)
def test_train_evaluate_and_export(method: str, clips: Path, fer_stage: FerStage) -> None:
    options = ["--option", "epochs=2", *(f"--option={name}={value}" for name, value in METHODS[method].items())]
    trained = fer_stage("train", "--method", method, "--dataset", "sample-a", *options, "--format", "json")
    record = json.loads(Path(trained["path"], "run.json").read_text())
    assert record["unit"] == "clip"
    assert record["head"]["inputs"] == {"frames": [16, *record["head"]["inputs"]["frames"][1:]]}
    again = stages.train(method, "sample-a", options=METHODS[method] | {"epochs": 2})
    assert not again.trained
    scores = stages.evaluate(trained["path"], datasets=["sample-a", "sample-e"]).scores
    assert [(score["dataset"], score.get("unit", "image")) for score in scores] == [
        ("sample-a", "clip"),
        ("sample-e", "image"),
    ]
    pytest.importorskip("onnxruntime", reason="needs pip install 'fer-stage[onnx]'")
    fer_stage("head", "export", "--run", trained["path"], "--out", "exported", "--onnx")
    assert Path("exported/head.onnx").stat().st_size > 0
    assert read_saved(Path("exported")).record.head.clip_frames == 16


def test_the_card_of_a_head_counts_clips_and_says_which_frames_it_reads(clips: Path) -> None:
    trained = stages.train("linear-probe", "sample-a", options={"clip_frames": 4})
    of_clips, of_images = stages.evaluate(trained, datasets=["sample-a", "sample-e"]).scores
    record = trained.runs[0].record
    stages.export_head(trained.runs[0].folder, "exported")
    card = Path("exported/README.md").read_text()
    assert (
        f"sample-a: {record.n_train} clips; epoch or regularisation selected on {record.n_val} validation clips" in card
    )
    assert "| frames of a clip | 4, those at the centres of" in card
    assert "As `pooled` it reads the mean of the frames' features" in card
    assert "| tested on | split | images and clips |" in card
    assert f"| test | {of_clips['n']} clips |" in card
    assert f"| test | {of_images['n']} images |" in card
    assert "validation images" not in card


def test_one_store_gives_heads_of_any_number_of_frames(clips: Path, fer_stage: FerStage) -> None:
    stages.train("temporal-attention", "sample-a", runs="four", options={"epochs": 1, "clip_frames": 4})
    stages.train("temporal-attention", "sample-a", runs="one", options={"epochs": 1, "clip_frames": 1})
    found = [next(Path(runs).rglob("run.json")) for runs in ("four", "one")]
    assert [json.loads(path.read_text())["head"]["inputs"]["frames"][0] for path in found] == [4, 1]


def test_a_dataset_of_images_is_refused_with_what_to_do(clips: Path, fer_stage: FerStage) -> None:
    message = fer_stage("train", "--method", "temporal-attention", "--dataset", "sample-e", code=1)
    assert "sample-e train: expected clips, found images" in message
    assert "Train it on a dataset of clips, or another method on this one" in message
    with pytest.raises(TrainingError, match="expected clips, found images"):
        stages.train("temporal-transformer", "sample-e")
