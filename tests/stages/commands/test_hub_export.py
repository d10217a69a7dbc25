"""What the Hugging Face Hub reads of an exported head, judged by the classes of huggingface_hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries

FerStage = Callable[..., Any]
RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")
SCORES = Path("runs/scores/untrained/feature-mask/sample-a/seed-0/scores.json")
EXPORT = ("head", "export", "--run", str(RUN), "--out", "out/head")
NOTE = "untrained: seeded random weights"


def test_the_hub_reads_the_scores_of_the_card_with_their_intervals(project: Path, fer_stage: FerStage) -> None:
    fer_stage(*EXPORT)
    card = ModelCard.load(Path("out/head/README.md"))
    assert (card.data.library_name, card.data.pipeline_tag) == ("fer-stage", "image-classification")
    assert (card.data.model_name, card.data.datasets) == ("feature-mask on sample-a", ["sample-a"])
    assert {"facial-expression-recognition", "feature-mask"} <= set(card.data.tags or ())
    assert card.data.license is None  # the user's to state
    scores = {score["dataset"]: score for score in json.loads(SCORES.read_text())}
    results = card.data.eval_results or []
    assert [(one.dataset_name, one.metric_type) for one in results] == [
        (dataset, metric) for dataset in scores for metric in card.data.metrics or ()
    ]
    for one in results:
        score = scores[one.dataset_name]
        assert (one.task_type, one.dataset_split) == ("image-classification", "test")
        assert one.metric_value == pytest.approx(score[one.metric_type])
        assert one.metric_args["ci95"] == pytest.approx(score["ci95"][one.metric_type])
        low, high = (f"{100 * bound:.1f}" for bound in score["ci95"][one.metric_type])
        assert f"95 % interval {low} to {high} %" in (one.metric_name or "")
        assert (one.dataset_args["n"], one.dataset_args["seen"]) == (score["n"], score["seen"])
        assert NOTE in one.dataset_args["note"]


def test_scores_of_one_split_with_and_without_overlap_stay_apart(project: Path, fer_stage: FerStage) -> None:
    first, second = json.loads(SCORES.read_text())
    without = first | {"excluded_overlap": 4, "excluded_kinds": ["bytes"], "overlap": {"train": 0, "val": 0}}
    SCORES.write_text(json.dumps([first, without, second]))
    fer_stage(*EXPORT)
    results = ModelCard.load(Path("out/head/README.md")).data.eval_results or []
    configs = {(one.dataset_name, one.dataset_config) for one in results}
    left_out = "without 4 images that the head was trained or selected on"
    assert configs == {("sample-a", None), ("sample-a", left_out), ("sample-e", None)}


def test_a_benchmark_gets_a_file_that_the_hub_reads(project: Path, fer_stage: FerStage) -> None:
    summary = fer_stage(*EXPORT, "--benchmark", "sample-e=lab/faces:seven", "--format", "json")
    assert ".eval_results/sample-e.yaml" in summary["files"]
    (entry,) = parse_eval_result_entries(yaml.safe_load(Path("out/head/.eval_results/sample-e.yaml").read_text()))
    score = next(score for score in json.loads(SCORES.read_text()) if score["dataset"] == "sample-e")
    assert (entry.dataset_id, entry.task_id) == ("lab/faces", "seven")
    assert entry.value == pytest.approx(100 * score["accuracy"], abs=1e-4)
    assert f"N = {score['n']} images" in (entry.notes or "")
    assert NOTE in (entry.notes or "")
    again = fer_stage(*EXPORT, "--benchmark", "sample-e=lab/faces:seven", "--format", "json")
    assert again["status"] == "up to date"
    assert "another export" in fer_stage(*EXPORT, "--benchmark", "sample-e=lab/others", code=1)


def test_without_a_benchmark_no_result_is_entered_anywhere(project: Path, fer_stage: FerStage) -> None:
    fer_stage(*EXPORT)
    assert not Path("out/head/.eval_results").exists()


@pytest.mark.parametrize(
    ("benchmark", "problem"),
    [
        ("sample-e", "expected DATASET=OWNER/NAME or DATASET=OWNER/NAME:TASK, found 'sample-e'"),
        ("sample-e=faces", "found 'sample-e=faces'"),
        ("ferplus=lab/faces", "expected a score of the head on its test split, found sample-a, sample-e"),
    ],
)
def test_a_benchmark_that_cannot_be_meant_is_refused(
    project: Path, fer_stage: FerStage, benchmark: str, problem: str
) -> None:
    assert problem in fer_stage(*EXPORT, "--benchmark", benchmark, code=1)
    assert not Path("out").exists()
