"""encode-text, train, evaluate, report, query, datasets, draw: what they write, print and refuse."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cache.texts import TextStore
from pipeline.tables.labels import EXPRESSIONS
from pipeline.tables.samples import SampleTable
from stages.cli import run
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")
SCORES = Path("runs/scores/untrained/feature-mask/sample-a/seed-0/scores.json")


def _set(**blocks: Any) -> None:
    """Change blocks of params.yaml in the current folder."""
    data = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump(data | blocks))


def test_encode_text_keeps_every_template_of_every_class(project: Path, fer_stage: FerStage) -> None:
    summary = fer_stage("encode-text", "--format", "json")
    texts = TextStore.read(Path(summary["path"]))
    assert texts.vectors.shape == (9, 8, 256)
    assert texts.classes == EXPRESSIONS
    assert texts.templates[-1] == "A photo of a person making a [CLS] facial expression."
    assert len(np.unique(texts.vectors.round(5), axis=1)[0]) == 8


def test_a_run_folder_records_what_was_trained(project: Path) -> None:
    record = json.loads((RUN / "run.json").read_text())
    assert record["method"] == "feature-mask"
    assert record["config"]["epochs"] == 3
    assert record["encoder_note"].startswith("untrained")
    with (RUN / "history.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3


def test_the_same_seed_trains_the_same_bytes(project: Path, fer_stage: FerStage) -> None:
    before = (RUN / "head.safetensors").read_bytes()
    fer_stage("train", "--method", "feature-mask", "--dataset", "sample-a")
    assert (RUN / "head.safetensors").read_bytes() == before
    fer_stage("train", "--method", "feature-mask", "--dataset", "sample-a", "--seed", "1")
    assert (RUN.with_name("seed-1") / "head.safetensors").read_bytes() != before


def test_options_change_the_recipe_and_are_recorded(project: Path, fer_stage: FerStage) -> None:
    args = ("train", "--method", "feature-mask", "--dataset", "sample-a", "--option", "beta_div=0.5")
    fer_stage(*args)
    assert json.loads((RUN / "run.json").read_text())["config"]["beta_div"] == 0.5
    assert "'beta_div'" in fer_stage(*args[:-1], "beta=1", code=1)


def test_kefer_learns_from_text_and_an_error_names_the_command_that_makes_it(
    project: Path, fer_stage: FerStage
) -> None:
    args = ("train", "--method", "kefer", "--dataset", "sample-a", "--format", "json")
    assert fer_stage(*args)["epochs"] == 2
    Path("features/untrained/text/kefer.npz").unlink()
    assert "fer-stage encode-text --encoder untrained" in fer_stage(*args, code=1)


def test_scores_cover_every_dataset_and_mark_the_seen_one(project: Path, fer_stage: FerStage) -> None:
    scores = fer_stage("evaluate", "--run", str(RUN), "--format", "json")
    assert [(s["dataset"], s["seen"]) for s in scores] == [("sample-a", True), ("sample-e", False)]
    for score in scores:
        assert sum(map(sum, score["confusion"])) == score["n"] == sum(score["support"].values())
        assert score["ci95"]["accuracy"][0] <= score["accuracy"] <= score["ci95"]["accuracy"][1]
    written = json.loads(SCORES.read_text())
    note = json.loads((RUN / "run.json").read_text())["encoder_note"]
    assert [{"run": str(RUN), **score, "note": note, "audit": []} for score in written] == scores


def test_rejected_rows_are_counted_in_scores(project: Path, fer_stage: FerStage) -> None:
    frame = SampleTable.read(Path("tables/sample-e.parquet")).frame
    path = frame["path"][frame["split"] == "test"].iloc[0]
    Path("data/sample-e", path).write_bytes(b"")
    fer_stage("index", "--dataset", "sample-e")
    fer_stage("extract", "--dataset", "sample-e", "--decoders", "1", "--max-rejected", "0.5")
    scores = fer_stage("evaluate", "--run", str(RUN), "--dataset", "sample-e", "--format", "json")
    assert scores[0]["rejected"] == 1
    assert scores[0]["n"] == (frame["split"] == "test").sum() - 1


def test_a_store_of_another_encoder_is_refused(project: Path, fer_stage: FerStage) -> None:
    """The head knows the encoder that it was trained on by what it is, not by its name."""
    _set(extract={"dtype": "float32", "normalise": "imagenet"})
    fer_stage("extract", "--dataset", "sample-e", "--decoders", "1")
    message = fer_stage("evaluate", "--run", str(RUN), "--dataset", "sample-e", code=1)
    assert "another encoder" in message
    assert "preprocess" in message


def test_features_of_another_encoder_of_the_same_name_are_refused(project: Path, fer_stage: FerStage) -> None:
    _set(encoders={"untrained": "timm:resnet18@weights.safetensors"})
    message = fer_stage("train", "--method", "linear-probe", "--dataset", "sample-a", code=1)
    assert "resnet18" in message
    assert "fer-stage extract --dataset sample-a" in message


def test_labels_that_the_head_does_not_know_are_refused_or_counted(project: Path, fer_stage: FerStage) -> None:
    table = SampleTable.read(Path("tables/sample-e.parquet"))
    info = type(table.info)(**(vars(table.info) | {"classes": EXPRESSIONS}))
    labels = table.frame["label"].where(table.frame["label"] != "fear", "contempt")
    write_table(SampleTable(table.frame.assign(label=labels), info), Path("tables/sample-e.parquet"))
    fer_stage("extract", "--dataset", "sample-e", "--decoders", "1")
    message = fer_stage("evaluate", "--run", str(RUN), "--dataset", "sample-e", code=1)
    assert "contempt" in message
    _set(protocol={"drop_other_labels": True})
    scores = fer_stage("evaluate", "--run", str(RUN), "--dataset", "sample-e", "--format", "json")
    assert scores[0]["dropped"] == {"contempt": 1}  # the one test row that was of fear


def test_report_gathers_all_runs_on_one_page(project: Path, fer_stage: FerStage) -> None:
    summary = fer_stage("report", "--format", "json")
    page = Path(summary["path"]).read_text()
    assert summary["runs"] == 1
    assert "knows nothing" in page
    metrics = json.loads(Path("reports/metrics.json").read_text())
    accuracy = json.loads(SCORES.read_text())[0]["accuracy"]
    assert metrics["untrained"]["feature-mask"]["sample-a"]["within"]["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert Path("reports/tables/matrix.csv").exists()


def test_report_without_runs_says_what_to_do(empty: Path, fer_stage: FerStage) -> None:
    assert "fer-stage train" in fer_stage("report", code=1)


@pytest.mark.parametrize("backend", ["zarr", "hdf5"])
def test_query_selects_rows_columns_and_formats(project: Path, fer_stage: FerStage, backend: str) -> None:
    args = ("extract", "--dataset", "sample-e", "--decoders", "1", "--backend", backend, "--format", "json")
    path = fer_stage(*args)["path"]
    where = "split == 'test' and label in ('fear', 'anger')"
    rows = fer_stage("query", path, "--where", where, "--columns", "id,label,split", "--format", "json")
    assert sorted((row["label"], row["split"]) for row in rows) == [("anger", "test"), ("fear", "test")]
    assert all(row.keys() == {"id", "label", "split"} for row in rows)
    limited = fer_stage("query", path, "--limit", "2", "--format", "csv").splitlines()
    assert limited[0] == "id,label,split,status,reason"
    assert len(limited) == 3
    assert "Did you mean 'label'?" in fer_stage("query", path, "--where", "lable == 'fear'", code=1)


def test_datasets_lists_what_is_configured_and_what_is_there(project: Path, fer_stage: FerStage) -> None:
    rows = {row["name"]: row for row in fer_stage("datasets", "--format", "json")}
    assert rows["sample-a"]["exists"] is True
    assert (rows["sample-a"]["layout"], rows["sample-a"]["rows"]) == ("sample", 60)
    assert rows["affectnet"]["exists"] is False


def test_a_dataset_for_tests_only_is_not_trained_on_and_the_error_says_where_it_belongs(
    project: Path, fer_stage: FerStage
) -> None:
    table = SampleTable.read(Path("tables/sample-e.parquet"))
    write_table(SampleTable(table.frame.assign(split="test"), table.info), Path("tables/sample-e.parquet"))
    fer_stage("extract", "--dataset", "sample-e", "--decoders", "1")
    assert "out of run.train" in fer_stage("train", "--method", "linear-probe", "--dataset", "sample-e", code=1)
    assert fer_stage("evaluate", "--run", str(RUN), "--dataset", "sample-e", "--format", "json")[0]["n"] == 60


def test_seeds_are_those_of_params_unless_they_are_named(project: Path, fer_stage: FerStage) -> None:
    data = yaml.safe_load(Path("params.yaml").read_text())
    _set(run=data["run"] | {"seeds": [3, 4]})
    train = ("train", "--method", "feature-mask", "--dataset", "sample-e", "--format", "json")
    assert [record["seed"] for record in fer_stage(*train)] == [3, 4]
    assert fer_stage(*train, "--seed", "5")["seed"] == 5
    folder = Path("runs/untrained/feature-mask/sample-e")
    fer_stage(*train, "--seed", "4", "--prune", "--curves", "curves")
    assert [path.name for path in folder.iterdir()] == ["seed-4"]
    assert [path.name for path in Path("curves").iterdir()] == ["seed-4.csv"]


def test_draw_makes_a_sheet_to_look_at(empty: Path, fer_stage: FerStage) -> None:
    fer_stage("draw", "--style", "sample-e", "--images", "60", "--contact-sheet", "sheet.png")
    assert Path("sheet.png").stat().st_size > 1000
    assert len(list(Path("data/sample-e/images").iterdir())) == 60


def test_missing_store_names_the_command(project: Path, fer_stage: FerStage) -> None:
    message = fer_stage("train", "--method", "linear-probe", "--dataset", "sample-b", code=1)
    assert "fer-stage extract --dataset sample-b --encoder untrained" in message


def test_scores_of_other_datasets_stay_and_a_new_head_has_none(project: Path, fer_stage: FerStage) -> None:
    fer_stage("evaluate", "--run", str(RUN), "--dataset", "sample-e")
    names = [score["dataset"] for score in json.loads(SCORES.read_text())]
    assert names == ["sample-a", "sample-e"]
    fer_stage("train", "--method", "feature-mask", "--dataset", "sample-a")
    assert SCORES.exists()  # the same head
    fer_stage("train", "--method", "feature-mask", "--dataset", "sample-a", "--option", "beta_div=0.5")
    assert not SCORES.exists()


def test_validation_scores_are_printed_and_not_kept(project: Path, fer_stage: FerStage) -> None:
    before = SCORES.read_bytes()
    scores = fer_stage("evaluate", "--run", str(RUN), "--split", "val", "--format", "json")
    assert {score["split"] for score in scores} == {"val"}
    assert SCORES.read_bytes() == before
    assert "'train' is not one of" in fer_stage("evaluate", "--run", str(RUN), "--split", "train", code=2)


@pytest.mark.parametrize("output_format", ["table", "csv", "json"])
@pytest.mark.parametrize(
    "args",
    [
        ["datasets"],
        ["index", "--dataset", "sample-e"],
        ["extract", "--dataset", "sample-e"],
        ["encode-text"],
        ["train", "--method", "feature-mask", "--dataset", "sample-a"],
        ["evaluate", "--run", str(RUN)],
        ["report"],
        ["query", "features/untrained/sample-a.zarr"],
    ],
    ids=lambda args: args[0],
)
def test_every_command_prints_every_format(
    project: Path, fer_stage: FerStage, args: list[str], output_format: str
) -> None:
    printed = fer_stage(*args, "--format", output_format)
    if output_format == "json":
        rows = printed if isinstance(printed, list) else [printed]
        assert {len(row) for row in rows} == {len(rows[0])}
    elif output_format == "csv":
        header, *rows = list(csv.reader(printed.splitlines()))
        assert {len(row) for row in rows} == {len(set(header))}
    else:
        assert len(printed.splitlines()) >= 2


def test_draw_replaces_no_folder_that_it_did_not_make(empty: Path, fer_stage: FerStage) -> None:
    Path("mine").mkdir()
    Path("mine/labels.csv").write_text("precious")
    draw = ("draw", "--style", "sample-e", "--images", "60", "--out", "mine")
    assert "no drawn sample" in fer_stage(*draw, code=1)
    assert Path("mine/labels.csv").read_text() == "precious"
    assert "is a file" in fer_stage(*draw[:-1], "mine/labels.csv", code=1)


def test_a_dataset_name_cannot_leave_the_folders(empty: Path, fer_stage: FerStage) -> None:
    (empty / "faces" / "fear").mkdir(parents=True)
    message = fer_stage("index", "--dataset", "../evil", "--layout", "folder", "--root", "faces", code=1)
    assert "plain name" in message


def test_a_params_file_that_is_named_must_be_there(empty: Path, fer_stage: FerStage) -> None:
    assert "no file at nope.yaml" in fer_stage("datasets", "--params", "nope.yaml", code=2)


def test_classes_that_are_evened_out_are_stated_with_the_counts_before_and_after(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    evened = ("--option", "balanced=true", "--option", "cross_entropy_weights=balanced")
    assert run(["train", "--method", "feature-mask", "--dataset", "sample-a", *evened, "--option", "epochs=1"]) == 0
    err = capsys.readouterr().err
    record = json.loads(Path("runs/untrained/feature-mask/sample-a/seed-0/run.json").read_text())
    balance = record["findings"]["class_balance"]
    assert sum(balance["rows"].values()) == record["n_train"]
    assert set(balance["draws"].values()) == {round(record["n_train"] / len(balance["rows"]), 1)}
    for name, n in balance["rows"].items():
        assert balance["weights"][name] == pytest.approx(record["n_train"] / len(balance["rows"]) / n, abs=1e-6)
    assert f"sample-a train rows: surprise {balance['rows']['surprise']}, " in err
    assert f"drawn in an epoch, on average: surprise {balance['draws']['surprise']}, " in err
    assert f"weight in the cross-entropy: surprise {balance['weights']['surprise']:.3f}, " in err
    assert record["config"]["cross_entropy_weights"] == "balanced"


def test_an_option_that_is_new_changes_nothing_of_heads_that_do_not_use_it(project: Path, fer_stage: FerStage) -> None:
    record = json.loads(Path("runs/untrained/feature-mask/sample-a/seed-0/run.json").read_text())
    assert "cross_entropy_weights" not in record["config"]
    assert "class_balance" not in record["findings"]
    printed = fer_stage(
        "train", "--method", "feature-mask", "--dataset", "sample-a",
        "--option", "cross_entropy_weights=none", "--format", "json",
    )  # fmt: skip
    assert printed["status"] == "up to date"
