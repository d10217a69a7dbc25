"""Datasets of clips through train and evaluate: what is counted, recorded and compared are clips."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clip_project import as_clips

import stages
from pipeline.tables.samples import SampleTable

FerStage = Callable[..., Any]
RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")


@pytest.fixture
def clips(project: Path, fer_stage: FerStage) -> dict[str, SampleTable]:
    """sample-a and sample-e as datasets of clips of two frames. Of sample-e a clip and a frame are rejected."""
    test = SampleTable.read(Path("tables/sample-e.parquet")).frame.query("split == 'test'").groupby("label")["id"]
    rejected = [*test.get_group("happiness")[:1], *test.get_group("fear")]  # in a clip of two; a whole clip
    tables = {"sample-a": as_clips("sample-a"), "sample-e": as_clips("sample-e", rejected=rejected, reverse=True)}
    for dataset in tables:
        fer_stage("extract", "--dataset", dataset, "--decoders", "1", "--max-rejected", "0.5")
    return tables


def n_clips(table: SampleTable, split: str) -> int:
    return int(table.usable.loc[table.usable["split"] == split, "clip"].nunique())


def test_runs_and_scores_count_clips(clips: dict[str, SampleTable], fer_stage: FerStage) -> None:
    train, test = clips["sample-a"], clips["sample-e"]
    stages.train("feature-mask", "sample-a")
    record = json.loads((RUN / "run.json").read_text())
    assert record["unit"] == "clip"
    assert (record["n_train"], record["n_val"]) == (n_clips(train, "train"), n_clips(train, "val"))
    assert record["head"]["clip_frames"] == 16
    score = stages.evaluate("runs", datasets="sample-e").scores[0]
    assert (score["unit"], score["n"]) == ("clip", n_clips(test, "test"))
    assert (score["rejected"], score["rejected_frames"]) == (1, 1)
    assert score["overlap"] == {"train": 0, "val": 0}
    assert stages.evaluate("runs", datasets="sample-e").runs[0].n_new == 0
    assert not stages.train("feature-mask", "sample-a").trained


def test_every_clip_overlaps_with_a_head_of_the_same_clips(clips: dict[str, SampleTable]) -> None:
    stages.train("feature-mask", "sample-e", runs="own")
    stages.train("feature-mask", "sample-a", runs="own")
    own = stages.evaluate("own/untrained/feature-mask/sample-e", datasets="sample-e", split="val").scores[0]
    assert own["overlap"] == {"train": 0, "val": own["n"]}
    other = stages.evaluate("own/untrained/feature-mask/sample-a", datasets="sample-e", split="val").scores[0]
    assert other["overlap"] == {"train": 0, "val": 0}


def test_heads_of_images_score_clips_and_heads_of_clips_score_images(project: Path, fer_stage: FerStage) -> None:
    """sample-e becomes clips of one frame: the mean over a frame is the frame, so both units score alike."""
    as_images = stages.evaluate("runs", datasets="sample-e").scores[0]
    as_clips("sample-e", n_frames=1)
    fer_stage("extract", "--dataset", "sample-e", "--decoders", "1")
    as_single_frames = stages.evaluate("runs", datasets="sample-e").scores[0]
    assert as_single_frames["confusion"] == as_images["confusion"]
    assert (as_single_frames["n"], as_single_frames["unit"]) == (as_images["n"], "clip")
    stages.train("feature-mask", "sample-e")
    of_clips = stages.evaluate("runs/untrained/feature-mask/sample-e", datasets="sample-a").scores[0]
    assert "unit" not in of_clips
    assert of_clips["n"] == as_images["n"]


def run_keys(method: str, dataset: str, **options: Any) -> str:
    (planned,) = stages.train(method, dataset, options=options, dry_run=True).planned
    return planned.run_key


def test_options_of_clips_make_no_other_head_of_images(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = run_keys("feature-mask", "sample-a")
    assert run_keys("feature-mask", "sample-a", clip_frames=4, clip_sampling="centre") == plain
    assert "sample-a has images: clip_frames and clip_sampling of no effect" in capsys.readouterr().err
    assert not stages.train("feature-mask", "sample-a", options={"clip_frames": 4}).trained


def test_options_of_clips_that_are_of_effect_make_another_head(
    clips: dict[str, SampleTable], capsys: pytest.CaptureFixture[str]
) -> None:
    given = ({}, {"clip_frames": 4}, {"clip_sampling": "centre"}, {"clip_sampling": "random"})
    keys = [run_keys("feature-mask", "sample-a", **options) for options in given]
    assert len({*keys}) == 3
    assert keys[0] == keys[3]
    assert "sample-a has clips, which all counts are of: 4 frames of each are read" in capsys.readouterr().err


def test_a_method_that_takes_the_whole_split_records_that_it_reads_centres(
    clips: dict[str, SampleTable],
) -> None:
    assert run_keys("linear-probe", "sample-a") == run_keys("linear-probe", "sample-a", clip_sampling="centre")
    (run,) = stages.train("linear-probe", "sample-a").runs
    assert run.record.config["clip_sampling"] == "centre"


def test_text_output_says_clips(clips: dict[str, SampleTable], fer_stage: FerStage) -> None:
    assert "unit" in fer_stage("train", "--method", "feature-mask", "--dataset", "sample-a")
    table = fer_stage("evaluate", "--run", "runs", "--dataset", "sample-e")
    assert f"{n_clips(clips['sample-e'], 'test')} clips" in table
    assert "1 clips, 1 frames" in table
    described = fer_stage("store", "info", "features/untrained/sample-e.zarr", "--format", "json")
    assert sum(described["clips"]["test"].values()) == n_clips(clips["sample-e"], "test") + 1
    assert sum(described["counts"]["test"].values()) == 10
