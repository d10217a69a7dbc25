"""From what an encoder was trained on to the mark beside every score on such a dataset."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cache.features_root import find_store
from cache.places import as_path
from cache.texts import TextStore, text_path
from pipeline.datasets.layouts import LAYOUTS
from pipeline.encoders import EncoderSpec, load_encoder
from pipeline.encoders.torch_encoder import TorchEncoder
from pipeline.extraction import outputs_of
from pipeline.footnotes import LEGEND
from pipeline.tables.samples import SampleTable
from stages.cli import run
from stages.params import ExtractParams
from stages.requests import TrainRequest
from stages.workflows.store_identity import provenance_of, store_key
from stages.workflows.text_vectors import text_for
from stages.workflows.train_plan import TrainPlan, plans_of
from stages.workflows.unit_source import unit_source

FerStage = Callable[..., Any]
RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")
SCORES = Path("runs/scores/untrained/feature-mask/sample-a/seed-0/scores.json")
FEATURES = as_path("features")
UNTRAINED = EncoderSpec.parse("untrained")


def training(method: str, saw: Sequence[str]) -> TrainPlan:
    """The training of a method on features whose encoder saw `saw`."""
    [plan] = plans_of(TrainRequest(method, "sample-a"))
    provenance = {**plan.store.manifest.provenance, "encoder_saw": list(saw)}
    store = replace(plan.store, manifest=replace(plan.store.manifest, provenance=provenance))
    return replace(plan, units=unit_source(store))


def evaluated_as_seen(fer_stage: FerStage, output_format: str) -> Any:
    record = json.loads((RUN / "run.json").read_text()) | {"encoder_saw": ["ferplus", "sample"]}
    (RUN / "run.json").write_text(json.dumps(record))
    return fer_stage("evaluate", "--run", str(RUN), "--format", output_format)


def test_what_an_encoder_saw_is_recorded_with_its_features_and_changes_no_key(
    encoder: TorchEncoder, project: Path
) -> None:
    """Features are the same, whatever is known of their encoder's past: nothing is encoded again."""
    knowing, params = replace(encoder, trained_on=("ferplus", "sample")), ExtractParams()
    assert provenance_of(encoder, "untrained", UNTRAINED)["encoder_saw"] == []
    assert provenance_of(knowing, "untrained", UNTRAINED)["encoder_saw"] == ["ferplus", "sample"]
    table = SampleTable.read(Path("tables/sample-a.parquet"))
    keys = [store_key(table, one, outputs_of(one, ["pooled"], "float16", 0), params) for one in (encoder, knowing)]
    assert keys[0].digest == keys[1].digest


def test_the_embedded_encoder_names_layouts_that_there_are() -> None:
    """A name that no layout has would never mark a score."""
    saw = load_encoder(EncoderSpec.parse("mini"), "cpu", "eager").trained_on
    assert saw
    assert set(saw) <= set(LAYOUTS)


def test_a_run_records_what_its_encoder_saw(project: Path) -> None:
    assert training("feature-mask", ["sample", "ferplus"]).encoder_saw == ["ferplus", "sample"]
    assert json.loads((RUN / "run.json").read_text())["encoder_saw"] == []


def test_validation_scores_are_of_a_seen_domain_by_the_layout_not_the_name(project: Path) -> None:
    assert training("feature-mask", ["sample", "ferplus"]).dataset_in_encoder_training
    assert not training("feature-mask", ["sample-a", "ferplus"]).dataset_in_encoder_training


def test_text_of_another_encoder_adds_what_that_one_saw_and_its_note(encoder: TorchEncoder, project: Path) -> None:
    own = TextStore.read(text_path(FEATURES, "untrained", "kefer"))
    other = replace(
        own,
        encoder={"family": "other"},
        provenance=provenance_of(replace(encoder, trained_on=("muxspace",)), "o", UNTRAINED),
    )
    path = text_path(FEATURES, "other", "kefer")
    path.parent.mkdir(parents=True)
    other.write(path)
    text = text_for(FEATURES, "other", "kefer", find_store(FEATURES, "untrained", "sample-a"))
    made = replace(training("kefer", ["sample"]), text=text)
    assert made.encoder_saw == ["muxspace", "sample"]
    assert made.combined_note == f"{encoder.note}; text: {encoder.note}"


def test_text_of_the_same_encoder_says_nothing_twice(encoder: TorchEncoder, project: Path) -> None:
    assert training("kefer", []).combined_note == encoder.note


def test_texts_and_stores_of_before_saw_nothing(project: Path) -> None:
    path = text_path(FEATURES, "untrained", "kefer")
    own = TextStore.read(path)
    replace(own, provenance={}).write(path)
    text = text_for(FEATURES, "untrained", "kefer", find_store(FEATURES, "untrained", "sample-a"))
    assert (text.note, text.trained_on) == ("", ())


def test_an_image_network_owes_nothing_to_the_encoder_beside_it(project: Path, fer_stage: FerStage) -> None:
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("{dtype: float32}", "{outputs: [pooled, pixels], pixel_size: 32}"))
    fer_stage("extract", "--dataset", "sample-a", "--decoders", "1")
    made = training("baseline", ["sample"])
    assert (made.encoder_saw, made.note) == ([], "")
    assert training("cafe", ["sample"]).encoder_saw == ["sample"]


def test_scores_on_a_seen_domain_are_marked_for_machines(project: Path, fer_stage: FerStage) -> None:
    scores = evaluated_as_seen(fer_stage, "json")
    assert [(score["dataset"], score["seen"], score["encoder_saw"]) for score in scores] == [
        ("sample-a", True, True),
        ("sample-e", False, True),
    ]
    assert {score["note"] for score in scores} == {json.loads((RUN / "run.json").read_text())["encoder_note"]}
    assert [score["encoder_saw"] for score in json.loads(SCORES.read_text())] == [True, True]
    rows = list(csv.DictReader(fer_stage("evaluate", "--run", str(RUN), "--format", "csv").splitlines()))
    assert list(rows[0])[-2:] == ["encoder_saw", "note"]
    assert [(row["dataset"], row["encoder_saw"]) for row in rows] == [("sample-a", "True"), ("sample-e", "True")]
    assert all(row["note"].startswith("untrained: ") for row in rows)


def test_people_get_a_mark_with_its_legend(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "sample-e †" in evaluated_as_seen(fer_stage, "table")
    assert run(["evaluate", "--run", str(RUN)]) == 0
    assert LEGEND in capsys.readouterr().err


def test_nothing_is_marked_where_the_encoder_saw_nothing(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", "--run", str(RUN)]) == 0
    printed = capsys.readouterr()
    assert "†" not in printed.out + printed.err


def test_a_run_that_does_not_record_what_its_encoder_saw_is_not_scored(project: Path, fer_stage: FerStage) -> None:
    record = json.loads((RUN / "run.json").read_text())
    del record["encoder_saw"]
    (RUN / "run.json").write_text(json.dumps(record))
    assert "encoder_saw: Field required. Run `fer-stage train" in fer_stage("evaluate", "--run", str(RUN), code=1)


def test_the_report_marks_scores_stores_and_encoder(project: Path, fer_stage: FerStage) -> None:
    evaluated_as_seen(fer_stage, "json")
    fer_stage("report")
    page = Path("reports/index.html").read_text()
    assert LEGEND in page
    assert "sample-e †" in page
    assert json.loads(Path("reports/metrics.json").read_text())["untrained"]["saw"] == "ferplus, sample"
    assert pd.read_csv("reports/tables/matrix.csv")["encoder_saw"].tolist() == [True, True]
