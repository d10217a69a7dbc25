"""Folds and scenes of a dataset of clips, as DFEW and FERV39k have them: from its table to the mean over folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from clip_project import as_clips

import stages
from cache import open_store
from pipeline.tables.samples import SampleTable
from stages.errors import StageError
from stages.workflows.folds import StoreFolds
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
N_FOLDS = 5
TABLE = Path("tables/sample-a.parquet")
RUNS = Path("runs/untrained/linear-probe/sample-a")
SCENES = ("Action", "School", None)


@pytest.fixture
def clips(project: Path, fer_stage: FerStage) -> pd.DataFrame:
    """sample-a as clips of two frames, dealt out to five folds and three scenes; no frame of one clip is usable."""
    first = SampleTable.read(TABLE).frame.query("split == 'train' and label == 'happiness'")["id"][:2]
    table = as_clips("sample-a", rejected=list(first), reverse=True)
    number = pd.Series(pd.factorize(table.frame["clip"])[0])
    columns = {"fold": (1 + number % N_FOLDS).astype("Int64"), "scene": [SCENES[i % 3] for i in number]}
    table = SampleTable(table.frame.assign(**columns), replace(table.info))
    write_table(table, TABLE)
    fer_stage("extract", "--dataset", "sample-a", "--decoders", "1", "--max-rejected", "0.5")
    return table.frame


def n_clips(frame: pd.DataFrame) -> int:
    return int(frame.loc[frame["status"] == "ok", "clip"].nunique())


def test_every_clip_is_tested_once_and_whole(clips: pd.DataFrame) -> None:
    folds = StoreFolds(open_store("features/untrained/sample-a.zarr"))
    tested: list[str] = []
    for number in range(1, N_FOLDS + 1):
        units = folds.units_of(folds.fold(number))
        names = {split: set(units.ids(split).tolist()) for split in ("train", "val", "test")}
        assert not (names["train"] & names["val"]) | (names["test"] & (names["train"] | names["val"]))
        tested += sorted(names["test"])
        assert len(set.union(*names.values())) == n_clips(clips)
    assert sorted(tested) == sorted(set(clips.loc[clips["status"] == "ok", "clip"]))


def test_five_folds_of_clips_are_trained_and_scored_on_one_store(clips: pd.DataFrame, fer_stage: FerStage) -> None:
    trained = stages.train("linear-probe", "sample-a", folds=N_FOLDS)
    assert {run.record.unit for run in trained.runs} == {"clip"}
    assert len({run.record.run_key for run in trained.runs}) == N_FOLDS
    result = stages.evaluate(trained, datasets="sample-a")
    sizes = clips.groupby("fold").apply(n_clips, include_groups=False).to_dict()
    assert {score["fold"]["number"]: score["n"] for score in result.scores} == sizes
    assert sum(score["rejected"] for score in result.scores) == 1  # the clip without a usable frame
    assert all(score["overlap"] == {"train": 0, "val": 0} for score in result.scores)
    frame = result.frame
    assert frame["n"].tolist()[-2:] == [n_clips(clips)] * 2
    assert frame["fold"].tolist()[-2:] == ["mean of 5 folds", "pooled of 5 folds"]
    assert "encoded 0" in _extract_again(fer_stage)


def _extract_again(fer_stage: FerStage) -> str:
    summary = fer_stage("extract", "--dataset", "sample-a", "--max-rejected", "0.5", "--format", "json")
    return f"encoded {summary['encoded']}"


def test_scores_of_clips_are_called_war_and_have_each_scene(clips: pd.DataFrame, fer_stage: FerStage) -> None:
    stages.train("linear-probe", "sample-a")
    run = ("--run", str(RUNS), "--dataset", "sample-a")
    assert "WAR (accuracy)" in fer_stage("evaluate", *run)
    [score] = fer_stage("evaluate", *run, "--format", "json")
    test = clips[(clips["split"] == "test") & (clips["status"] == "ok")]
    expected = test.drop_duplicates("clip")["scene"].fillna("no scene").value_counts().to_dict()
    assert {name: sum(map(sum, counts)) for name, counts in score["scenes"].items()} == expected

    rows = fer_stage("evaluate", *run, "--by", "scene", "--format", "json")
    assert [row["scene"] for row in rows] == ["all scenes", *sorted(expected)]
    assert {row["scene"]: row["n"] for row in rows[1:]} == expected
    hits = [row["accuracy"] * row["n"] for row in rows]
    assert hits[0] == pytest.approx(sum(hits[1:]))
    again = stages.evaluate(RUNS, datasets="sample-a", by="scene")
    assert again.runs[0].n_new == 0
    frame = again.frame
    assert frame["uar"].tolist() == [row["uar"] for row in rows]
    assert (frame["accuracy_low"] <= frame["accuracy"]).all()
    text = fer_stage("evaluate", *run, "--by", "scene")
    assert all(name in text for name in ("School", "no scene", "WAR (accuracy)"))
    assert fer_stage("evaluate", *run, "--by", "scene", "--format", "csv").count("\n") == 1 + len(rows)


def test_datasets_without_scenes_have_no_scores_by_scene(project: Path) -> None:
    with pytest.raises(StageError, match=r"--by scene: expected a dataset whose table has a column scene"):
        stages.evaluate("runs", datasets="sample-e", by="scene")
