"""`evaluate` keeps a prediction for each unit beside the scores: they are of the score, or they are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from clip_project import as_clips

import stages
from pipeline.errors import InputError
from pipeline.predict.saved import read_saved
from pipeline.tables.samples import SampleTable
from stages.errors import StageError
from stages.workflows.opened_stores import OpenedStores
from stages.workflows.paper_sources import FeatureReader
from stages.workflows.predictions import predictions_of
from stages.workflows.report import gather
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")
SCORES = Path("runs/scores/untrained/feature-mask/sample-a/seed-0")
FILE = SCORES / "predictions/sample-e/test.parquet"


def _table(name: str) -> pd.DataFrame:
    return SampleTable.read(Path(f"tables/{name}.parquet")).frame


def test_a_unit_of_the_split_has_a_row_in_the_order_of_the_table(project: Path) -> None:
    stages.evaluate(RUN, datasets="sample-e")
    frame, table = pd.read_parquet(FILE), _table("sample-e").query("split == 'test'")
    for column in ("id", "sha256", "label", "subject"):
        assert frame[column].tolist() == table[column].tolist(), column
    assert set(frame["status"]) == {"scored"}


def test_accuracy_of_the_rows_is_that_of_the_score(project: Path) -> None:
    score = stages.evaluate(RUN, datasets="sample-e").scores[0]
    _, predictions = predictions_of(RUN, "sample-e")
    assert (predictions.labels == predictions.predicted).mean() == pytest.approx(score["accuracy"])
    best = predictions.logits.argmax(axis=1)
    assert [predictions.classes[i] for i in best] == predictions.predicted.tolist()


def test_the_probability_is_that_at_the_temperature_of_the_head(project: Path) -> None:
    stages.evaluate(RUN, datasets="sample-e")
    _, predictions = predictions_of(RUN, "sample-e")
    powers = np.exp(predictions.logits.astype(float) / read_saved(RUN).temperature)
    expected = (powers / powers.sum(axis=1, keepdims=True)).max(axis=1)
    np.testing.assert_allclose(predictions.scored["probability"].to_numpy(), expected, rtol=1e-5)


def test_what_is_not_scored_has_a_row_without_a_prediction(project: Path, fer_stage: FerStage) -> None:
    """An image that cannot be read, one of another label, and, without overlap, one that the head was trained on."""
    table = SampleTable.read(Path("tables/sample-e.parquet"))
    frame = table.frame
    test = frame.index[frame["split"] == "test"]
    frame.loc[test[0], ["status", "reason"]] = ["rejected", "image is truncated"]
    frame.loc[test[1], "label"] = "contempt"
    trained = _table("sample-a").query("split == 'train'").iloc[0]
    shutil.copy(Path("data/sample-a", trained["path"]), Path("data/sample-e", frame["path"][test[2]]))
    frame.loc[test[2], "sha256"] = trained["sha256"]
    info = type(table.info)(**(vars(table.info) | {"classes": (*table.info.classes, "contempt")}))
    write_table(SampleTable(frame, info), Path("tables/sample-e.parquet"))
    params = Path("params.yaml")
    params.write_text(params.read_text() + "protocol: {drop_other_labels: true}\n")
    fer_stage("extract", "--dataset", "sample-e", "--decoders", "1", "--max-rejected", "0.5")
    stages.evaluate(RUN, datasets="sample-e", exclude_overlap=True)
    rows = pd.read_parquet(SCORES / "predictions/sample-e/test-without-overlap.parquet")
    assert rows["status"][:4].tolist() == ["rejected", "other-label", "excluded", "scored"]
    without = rows[["prediction", "probability", "logit_happiness"]].isna().all(axis=1)
    assert without.tolist() == (rows["status"] != "scored").tolist()
    assert rows["sha256"][0] == ""
    (run,) = gather(Path("runs"), OpenedStores(Path("features"))).runs
    (score,) = (score for score in run.scores if score.without_overlap)
    drawn = FeatureReader(Path("features")).read(run, score, 1000)  # a figure is of the scored rows alone, too
    assert drawn is not None
    assert drawn.ids.tolist() == rows.loc[rows["status"] == "scored", "id"].tolist()


def test_of_clips_a_row_is_a_clip(project: Path, fer_stage: FerStage) -> None:
    test = _table("sample-e").query("split == 'test'").groupby("label")["id"]
    as_clips("sample-e", rejected=[*test.get_group("fear")])
    fer_stage("extract", "--dataset", "sample-e", "--decoders", "1", "--max-rejected", "0.5")
    score = stages.evaluate(RUN, datasets="sample-e").scores[0]
    rows = pd.read_parquet(FILE)
    assert (rows["id"] == rows["clip"]).all()
    assert rows["id"].is_unique
    assert rows["status"].value_counts().to_dict() == {"scored": score["n"], "rejected": score["rejected"]}
    assert rows.loc[rows["status"] == "scored", "sha256"].str.len().eq(64).all()


@pytest.mark.parametrize("change", ["changed", "removed"])
def test_predictions_that_are_gone_or_others_are_refused_and_made_again(change: str, project: Path) -> None:
    stages.evaluate(RUN, datasets="sample-e")
    before = FILE.read_bytes()
    FILE.write_bytes(before[:-1] + b"x") if change == "changed" else FILE.unlink()
    with pytest.raises(InputError, match=r"test\.parquet: expected") as raised:
        predictions_of(RUN, "sample-e")
    assert raised.value.remedy == [("evaluate", {"runs": (str(RUN),), "datasets": ("sample-e",)})]
    assert stages.evaluate(RUN, datasets="sample-e").runs[0].n_new == 1
    assert FILE.read_bytes() == before
    assert stages.evaluate(RUN, datasets="sample-e").runs[0].n_new == 0


def test_a_score_of_before_predictions_were_kept_is_made_again_with_them(project: Path) -> None:
    stages.evaluate(RUN, datasets="sample-e")
    scores = json.loads((SCORES / "scores.json").read_text())
    (SCORES / "scores.json").write_text(json.dumps([{**one, "predictions": ""} for one in scores]))
    with pytest.raises(InputError, match="a version that kept no predictions"):
        predictions_of(RUN, "sample-e")
    assert stages.evaluate(RUN, datasets="sample-e").runs[0].n_new == 1
    assert (
        predictions_of(RUN, "sample-e")[0].predictions
        == json.loads((SCORES / "scores.json").read_text())[-1]["predictions"]
    )


def test_predictions_of_another_head_go_with_its_scores(project: Path, fer_stage: FerStage) -> None:
    stages.evaluate(RUN, datasets="sample-e")
    fer_stage("train", "--method", "feature-mask", "--dataset", "sample-a", "--option", "epochs=1")
    assert not FILE.exists()
    with pytest.raises(StageError, match="expected its score on sample-e test, found none of the head as it is"):
        predictions_of(RUN, "sample-e")


def test_nothing_is_kept_of_a_dry_run_or_another_split(project: Path) -> None:
    (SCORES / "scores.json").unlink()
    FILE.unlink()
    stages.evaluate(RUN, datasets="sample-e", dry_run=True)
    stages.evaluate(RUN, datasets="sample-e", split="val")
    assert not FILE.exists()
    assert not list(SCORES.rglob("val*.parquet"))
