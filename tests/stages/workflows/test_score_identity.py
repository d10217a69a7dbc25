"""A score belongs to one head, one store and one set of rows: nothing else overwrites it, nothing older is shown."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cache import open_store
from pipeline.tables.samples import SampleTable
from stages.cli import run
from stages.requests import TrainRequest
from stages.workflows.sweep import RunSpec
from stages.workflows.tables import write_table
from stages.workflows.train_plan import plans_of
from stages.workspace import scores_path

FerStage = Callable[..., Any]
RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")
SCORES = Path("runs/scores/untrained/feature-mask/sample-a/seed-0/scores.json")
TRAIN = ("train", "--method", "feature-mask", "--dataset", "sample-a")
EVALUATE = ("evaluate", "--run", str(RUN))


def _written() -> dict[str, dict[str, Any]]:
    return {score["dataset"]: score for score in json.loads(SCORES.read_text())}


def _record(run: Path = RUN) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run / "run.json").read_text())
    return record


def _as_dataset(name: str, change: Callable[[Any], Any], fer_stage: FerStage) -> None:
    """Extract the rows of sample-a under another dataset name, with a changed table."""
    table = SampleTable.read(Path("tables/sample-a.parquet"))
    info = type(table.info)(**(vars(table.info) | {"dataset": name}))
    write_table(SampleTable(change(table.frame.copy()), info), Path(f"tables/{name}.parquet"))
    fer_stage("extract", "--dataset", name, "--decoders", "1")


def _exchanged(frame: Any) -> Any:
    frame["split"] = frame["split"].map({"train": "test", "test": "train", "val": "val"})
    return frame


def test_a_trial_store_calls_itself_by_its_own_name_and_its_score_overwrites_no_other(
    project: Path, fer_stage: FerStage
) -> None:
    before = _written()["sample-a"]
    splits = SampleTable.read(Path("tables/sample-a.parquet")).frame["split"]
    n_rows = int(splits.index[splits == "test"][2]) + 1  # three of the test rows
    extract = ("extract", "--dataset", "sample-a", "--limit", str(n_rows), "--decoders", "1", "--format", "json")
    name, path = f"sample-a.first-{n_rows}", Path(fer_stage(*extract)["path"])
    assert open_store(path).dataset == name
    fer_stage(*EVALUATE, "--dataset", name)
    after = _written()
    assert after["sample-a"] == before
    assert (after[name]["n"], before["n"]) == (3, 10)
    [verified] = fer_stage("store", "verify", str(path), "--deep", "--rows", "2", "--format", "json")
    assert (verified["store"], verified["damage"], [part["rows"] for part in verified["deep"]]) == (str(path), 0, [2])


def test_a_copied_store_has_a_score_of_its_own_name(project: Path, fer_stage: FerStage) -> None:
    shutil.copytree("features/untrained/sample-e.zarr", "features/untrained/lab.zarr")
    fer_stage(*EVALUATE, "--dataset", "sample-e", "--dataset", "lab")
    assert set(_written()) == {"lab", "sample-a", "sample-e"}


def test_a_head_trained_on_a_copied_store_has_the_name_of_the_copy(project: Path, fer_stage: FerStage) -> None:
    shutil.copytree("features/untrained/sample-e.zarr", "features/untrained/lab.zarr")
    fer_stage("train", "--method", "linear-probe", "--dataset", "lab")
    assert _record(Path("runs/untrained/linear-probe/lab/seed-0"))["dataset"] == "lab"
    scores = fer_stage("evaluate", "--run", "runs/untrained/linear-probe/lab", "--dataset", "lab", "--format", "json")
    assert [(score["dataset"], score["seen"]) for score in scores] == [("lab", True)]


def test_a_score_has_the_identity_of_head_store_and_rows(project: Path, fer_stage: FerStage) -> None:
    record, score = _record(), _written()["sample-e"]
    assert (score["run_key"], score["head_sha256"]) == (record["run_key"], record["head_sha256"])
    info = fer_stage("store", "info", "features/untrained/sample-e.zarr", "--format", "json")
    assert score["store_key"] == info["key"]
    assert score["dtype"] == "float32"
    assert len(score["rows"]) == 64
    assert score["excluded_overlap"] == 0


def test_rows_of_a_score_do_not_depend_on_the_encoder(project: Path, fer_stage: FerStage) -> None:
    before = _written()["sample-e"]["rows"]
    fer_stage("extract", "--dataset", "sample-e", "--encoder", "mini", "--decoders", "1")
    fer_stage("extract", "--dataset", "sample-a", "--encoder", "mini", "--decoders", "1")
    fer_stage("train", "--method", "linear-probe", "--dataset", "sample-a", "--encoder", "mini")
    scores = fer_stage("evaluate", "--run", "runs/mini", "--dataset", "sample-e", "--format", "json")
    assert scores[0]["rows"] == before


def test_another_split_never_takes_the_place_of_the_test_split(project: Path, fer_stage: FerStage) -> None:
    before = _written()["sample-e"]
    params = Path("params.yaml")
    params.write_text(params.read_text() + "protocol: {test_split: val}\n")
    fer_stage(*EVALUATE, "--dataset", "sample-e")
    entries = [score for score in json.loads(SCORES.read_text()) if score["dataset"] == "sample-e"]
    assert {score["split"] for score in entries} == {"test", "val"}
    assert before in entries


def test_scores_of_a_replaced_head_are_dropped_when_scores_are_written(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = SCORES.read_text()
    fer_stage(*TRAIN, "--option", "epochs=1")
    assert not SCORES.exists()
    SCORES.write_text(stale)  # as another machine's DVC may bring it
    capsys.readouterr()
    fer_stage(*EVALUATE, "--dataset", "sample-e")
    assert set(_written()) == {"sample-e"}
    assert _written()["sample-e"]["run_key"] == _record()["run_key"]


def test_run_keys_tell_options_seeds_and_labels_apart(project: Path, fer_stage: FerStage) -> None:
    keys = [_record()["run_key"]]
    fer_stage(*TRAIN)
    assert _record()["run_key"] == keys[0]
    fer_stage(*TRAIN, "--option", "beta_div=2.0")
    keys.append(_record()["run_key"])
    fer_stage(*TRAIN, "--seed", "1")
    keys.append(_record(RUN.with_name("seed-1"))["run_key"])

    table = SampleTable.read(Path("tables/sample-a.parquet"))
    labels = table.frame["label"].where(table.frame["label"] != "fear", "anger")
    write_table(SampleTable(table.frame.assign(label=labels), table.info), Path("tables/sample-a.parquet"))
    rows = _record()["rows"]
    fer_stage("extract", "--dataset", "sample-a", "--decoders", "1")
    fer_stage(*TRAIN)
    keys.append(_record()["run_key"])
    assert _record()["rows"] != rows
    assert len(set(keys)) == 4


def test_counts_of_rows_leave_out_what_was_dropped(project: Path, fer_stage: FerStage) -> None:
    def contempt(frame: Any) -> Any:
        frame["label"] = frame["label"].where(frame["label"] != "fear", "contempt")
        return frame

    before = _record()
    table = SampleTable.read(Path("tables/sample-a.parquet"))
    info = type(table.info)(**(vars(table.info) | {"classes": (*table.info.classes, "contempt")}))
    write_table(SampleTable(contempt(table.frame.copy()), info), Path("tables/sample-a.parquet"))
    fer_stage("extract", "--dataset", "sample-a", "--decoders", "1")
    params = Path("params.yaml")
    params.write_text(params.read_text() + "protocol: {drop_other_labels: true}\n")
    fer_stage(*TRAIN)
    after = _record()
    frame = table.frame
    assert int(((frame["label"] == "fear") & (frame["split"] != "test")).sum()) == 3
    assert after["dropped"] == {"contempt": 3}
    assert after["n_train"] + after["n_val"] == before["n_train"] + before["n_val"] - after["dropped"]["contempt"]


def test_the_same_pictures_with_splits_exchanged_are_counted_marked_and_seen(
    project: Path, fer_stage: FerStage
) -> None:
    _as_dataset("other", _exchanged, fer_stage)
    [score] = fer_stage(*EVALUATE, "--dataset", "other", "--format", "json")
    assert score["seen"] is True
    assert score["overlap"] == {"train": score["n"], "val": 0}
    shown = fer_stage(*EVALUATE, "--dataset", "other")
    assert f"{score['n']} train ≡ 100 %" in shown
    [unseen] = fer_stage(*EVALUATE, "--dataset", "sample-e", "--format", "json")
    assert (unseen["seen"], unseen["overlap"]) == (False, {"train": 0, "val": 0})


def test_a_few_rows_in_common_are_counted_without_being_a_seen_dataset(project: Path, fer_stage: FerStage) -> None:
    """Three of the train pictures are test pictures of another dataset too."""
    e = SampleTable.read(Path("tables/sample-e.parquet"))
    a = SampleTable.read(Path("tables/sample-a.parquet"))
    root = Path("data/mixed/images")
    root.mkdir(parents=True)
    frames = []
    for name, rows in (("a", a.frame[a.frame["split"] == "train"].head(3)), ("e", e.frame)):
        frame = rows.copy()
        for path in frame["path"]:
            target = Path("data/mixed", name, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(f"data/sample-{name}", path), target)
        frame["path"] = [f"{name}/{path}" for path in frame["path"]]
        frame["id"] = [f"{name}-{text}" for text in frame["id"]]
        frame["split"] = "test" if name == "a" else frame["split"]
        frames.append(frame)
    info = type(a.info)(**(vars(a.info) | {"dataset": "mixed", "root": "data/mixed"}))
    write_table(SampleTable(pd.concat(frames, ignore_index=True), info), Path("tables/mixed.parquet"))
    fer_stage("extract", "--dataset", "mixed", "--decoders", "1")
    [score] = fer_stage(*EVALUATE, "--dataset", "mixed", "--format", "json")
    assert (score["overlap"], score["seen"]) == ({"train": 3, "val": 0}, False)
    [without] = fer_stage(*EVALUATE, "--dataset", "mixed", "--exclude-overlap", "--format", "json")
    assert (without["n"], without["excluded_overlap"], without["overlap"]) == (
        score["n"] - 3,
        3,
        {"train": 0, "val": 0},
    )
    assert without["rows"] != score["rows"]
    kept = [entry["excluded_overlap"] for entry in json.loads(SCORES.read_text()) if entry["dataset"] == "mixed"]
    assert sorted(kept) == [0, 3]


def test_excluding_everything_is_an_error(project: Path, fer_stage: FerStage) -> None:
    _as_dataset("other", _exchanged, fer_stage)
    message = fer_stage(*EVALUATE, "--dataset", "other", "--exclude-overlap", code=1)
    assert "nothing is left to score" in message


def test_overlap_that_cannot_be_checked_is_null_and_stated(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree("features/untrained/sample-a.zarr")
    assert fer_stage(*EVALUATE, "--dataset", "sample-e", "--format", "json")[0]["overlap"] is None
    assert "not checked" in fer_stage(*EVALUATE, "--dataset", "sample-e", "--exclude-overlap", code=1)
    assert fer_stage(*EVALUATE, "--dataset", "sample-e", "--format", "csv").splitlines()[1].count("not checked") == 1


def test_heads_whose_rows_changed_since_name_the_command_that_trains_them_again(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    table = SampleTable.read(Path("tables/sample-a.parquet"))
    write_table(SampleTable(_exchanged(table.frame.copy()), table.info), Path("tables/sample-a.parquet"))
    fer_stage("extract", "--dataset", "sample-a", "--decoders", "1")
    capsys.readouterr()
    assert run([*EVALUATE, "--dataset", "sample-e"]) == 0
    advice = re.search(r"other train and validation rows or labels now.*`fer-stage (.*?)`", capsys.readouterr().err)
    assert advice
    fer_stage(*advice[1].split())
    [score] = fer_stage(*EVALUATE, "--dataset", "sample-e", "--format", "json")
    assert score["overlap"] == {"train": 0, "val": 0}


def test_the_train_rows_are_found_in_a_renamed_store(project: Path, fer_stage: FerStage) -> None:
    Path("features/untrained/sample-a.zarr").rename("features/untrained/mine.zarr")
    [score] = fer_stage(*EVALUATE, "--dataset", "mine", "--format", "json")
    assert score["overlap"] == {"train": 0, "val": 0}
    assert score["seen"] is True  # the same dataset under another name


def test_a_head_that_learned_nothing_overlaps_with_nothing(project: Path, fer_stage: FerStage) -> None:
    fer_stage("train", "--method", "zero-shot", "--dataset", "sample-a")
    _as_dataset("other", _exchanged, fer_stage)
    [score] = fer_stage("evaluate", "--run", "runs/untrained/zero-shot", "--dataset", "other", "--format", "json")
    assert (score["overlap"], score["seen"]) == ({"train": 0, "val": 0}, False)


def test_moved_and_exported_heads_are_scored_and_nothing_is_written(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    fer_stage("head", "export", "--run", str(RUN), "--out", "out/head")
    shutil.copytree(RUN, "elsewhere")
    files = sorted(Path().rglob("scores.json"))
    for folder in ("out/head", "elsewhere"):
        [score] = fer_stage("evaluate", "--run", folder, "--dataset", "sample-e", "--format", "json")
        assert score["accuracy"] == _written()["sample-e"]["accuracy"]
        assert scores_path(Path(folder)) is None
    assert sorted(Path().rglob("scores.json")) == files


def test_evaluate_says_on_stderr_that_an_exported_head_keeps_no_scores(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    fer_stage("head", "export", "--run", str(RUN), "--out", "out/head")
    assert run(["evaluate", "--run", "out/head", "--dataset", "sample-e"]) == 0
    assert "out/head: nothing is written" in capsys.readouterr().err


def test_an_export_carries_the_scores_of_its_own_head_only(project: Path, fer_stage: FerStage) -> None:
    entries = json.loads(SCORES.read_text())
    SCORES.write_text(json.dumps([entries[0] | {"head_sha256": "0" * 64}, entries[1]]))
    fer_stage("head", "export", "--run", str(RUN), "--out", "out/head")
    record = json.loads(Path("out/head/head.json").read_text())
    assert [score["dataset"] for score in record["scores"]] == [entries[1]["dataset"]]


def test_a_run_is_found_from_inside_its_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scores_path(RUN) == SCORES
    monkeypatch.chdir(RUN)
    assert scores_path(Path()) == project / SCORES


def test_scores_are_no_runs_and_no_encoder(project: Path, fer_stage: FerStage) -> None:
    assert "no trained run" in fer_stage("evaluate", "--run", "runs/scores", code=1)
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("encoders: {untrained: untrained}", "encoders: {scores: untrained}"))
    assert "which is the name of a folder of fer-stage" in fer_stage("datasets", code=1)


def test_a_mean_over_seeds_is_of_runs_that_differ_in_nothing_else(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    fer_stage(*TRAIN, "--seeds", "1,2", "--option", "epochs=1")
    capsys.readouterr()
    assert run(["evaluate", "--run", "runs", "--dataset", "sample-e"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "seed" in line and "sample-e" in line]
    assert any("(epochs 1)" in line and "over 2 seeds" in line for line in lines)
    assert any("(epochs 3)" in line and "one seed" in line for line in lines)
    assert not any("over 3 seeds" in line for line in lines)


def test_equal_heads_of_a_method_without_randomness_have_no_deviation(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in ("0", "1"):
        fer_stage("train", "--method", "linear-probe", "--dataset", "sample-a", "--seed", seed)
    capsys.readouterr()
    assert run(["evaluate", "--run", "runs/untrained/linear-probe", "--dataset", "sample-e"]) == 0
    assert "±" not in capsys.readouterr().err


def test_views_and_dtype_of_the_features_are_in_record_output_card_and_scores(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    fer_stage("extract", "--dataset", "sample-a", "--views", "2", "--dtype", "float16", "--decoders", "1")
    capsys.readouterr()
    assert run([*TRAIN, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert (json.loads(out)["views"], json.loads(out)["dtype"]) == (2, "float16")
    assert "2 views of every train image" in err
    record = _record()
    assert (record["views"], record["dtype"], record["is_random"]) == (2, "float16", True)
    fer_stage("head", "export", "--run", str(RUN), "--out", "out/head")
    assert "| features | float16 on disk, 2 views of every train image" in Path("out/head/README.md").read_text()
    capsys.readouterr()
    assert run([*EVALUATE, "--dataset", "sample-e"]) == 0
    assert "trained on float16 features of sample-a, scored on float32 features of sample-e" in capsys.readouterr().err


def test_two_backends_with_other_labels_are_refused_with_the_columns_named(project: Path, fer_stage: FerStage) -> None:
    table = SampleTable.read(Path("tables/sample-e.parquet"))
    labels = table.frame["label"].where(table.frame["label"] != "fear", "anger")
    write_table(SampleTable(table.frame.assign(label=labels), table.info), Path("tables/sample-e.parquet"))
    fer_stage("extract", "--dataset", "sample-e", "--backend", "hdf5", "--decoders", "1")
    message = fer_stage(*EVALUATE, "--dataset", "sample-e", code=1)
    assert "two stores of sample-e that differ in columns.label" in message


def test_the_content_of_first_weights_enters_a_run_key_and_their_place_does_not(
    project: Path, fer_stage: FerStage
) -> None:
    keys = []
    for name, content in (("a.pth", b"one"), ("b.pth", b"one"), ("b.pth", b"two")):
        Path(name).write_bytes(content)
        [plan] = plans_of(TrainRequest("kefer", "sample-a", seeds=[0], device="cpu"))
        [run] = plan.runs
        config = run.config.model_copy(update={"pretrained": name})
        keys.append(plan.identity.run_key(RunSpec(config, run.seed, run.variant, run.folder)))
    assert keys[0] == keys[1] != keys[2]
