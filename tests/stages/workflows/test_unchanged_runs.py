"""Which runs `train` trains again, and which are up to date: by their whole identity, and by their bytes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from documented import python_files

import stages
from pipeline import records
from pipeline.errors import MismatchError
from pipeline.tables.labels import EXPRESSIONS
from pipeline.tables.samples import SampleTable
from stages.errors import ParamsError
from stages.requests import TrainRequest
from stages.results import PartialTrainingError, TrainResult
from stages.workflows.tables import write_table
from stages.workflows.train_plan import plans_of

FerStage = Callable[..., Any]
RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")
PARAMS = Path("params.yaml")


def retrain(**arguments: Any) -> TrainResult:
    return stages.train("feature-mask", "sample-a", **arguments)


def stated() -> dict[str, Any]:
    record: dict[str, Any] = json.loads((RUN / "run.json").read_text())
    return record


def state_of(record: dict[str, Any]) -> Any:
    """What `train` finds once run.json holds `record`."""
    (RUN / "run.json").write_text(json.dumps(record))
    [plan] = plans_of(TrainRequest("feature-mask", "sample-a"))
    return plan.state_of(plan.runs[0])


def modified() -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(RUN.parent.rglob("*")) if path.is_file()}


def other(value: Any) -> Any:
    """A value of the same type that is not equal."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if value == "untrained":
        return "mini"  # not every text is an encoder
    if isinstance(value, str):
        return "0" * 64 if re.fullmatch(r"[0-9a-f]{64}", value) else f"{value}x"
    if isinstance(value, dict):
        return {**value, "precision": "bfloat16"} if "precision" in value else {**value, "more": 1}
    return value[:-1] or ["more"]


def test_a_run_that_is_whole_and_unchanged_is_not_trained_again(project: Path) -> None:
    before = modified()
    result = retrain()
    assert modified() == before
    assert [run.status for run in result.runs] == ["up to date"]
    assert (result.trained, result.up_to_date, result.folders) == ((), result.runs, (RUN,))
    assert result.frame["status"].tolist() == ["up to date"]
    assert result.planned[0].is_up_to_date


def test_a_process_with_nothing_to_train_loads_no_torch(project: Path) -> None:
    code = (
        "import sys, stages\n"
        "assert not stages.train('feature-mask', 'sample-a', quiet=True).trained\n"
        "assert {'torch', 'open_clip', 'torchvision'}.isdisjoint(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_changed_field_of_the_identity_is_named_and_no_other_field_is_of_it(project: Path) -> None:
    """One field at a time: those of `identity` train again, those of `statements` are rewritten, outcomes are kept."""
    [plan] = plans_of(TrainRequest("feature-mask", "sample-a"))
    record, run = stated(), plan.runs[0]
    makes, states = plan.identity.fields(run), plan.statements()
    assert not set(makes) & set(states)
    checked = 0
    for name in makes:
        state = state_of(record | {name: other(record[name])})
        assert state.record is None, name
        assert name in state.reason or "problem" in state.reason, name  # what no record may hold is named as damaged
        checked += 1
    for name in states:
        changed = state_of(record | {name: other(record[name])})
        assert (changed.record is not None, changed.is_current, changed.reason) == (True, False, ""), name
        assert changed.record.as_json() == record, name
    outcomes = {"seconds": 1.5, "device": "cuda:0", "versions": {"fer-stage": "0"}, "together": 7, "findings": {"a": 1}}
    for name, value in outcomes.items():
        kept = state_of(record | {name: value})
        assert (kept.is_current, json.loads(kept.record.as_bytes())[name]) == (True, value), name
    others = {"epochs", "selected_epoch", "val", "calibration", "head", "head_sha256", "history_sha256"}
    only_some = {"unit", "fold"}  # runs of images, and of no fold, do not have them
    assert set(makes) | set(states) | set(outcomes) | others | only_some == set(records.Run.model_fields)
    assert checked == len(makes) > 10


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"options": {"lambda_sep": 0.25}}, "config.lambda_sep was 1.5, is 0.25"),
        ({"options": {"epochs": 2, "balanced": True}}, "config.balanced was False, is True"),
    ],
)
def test_another_option_trains_again_and_is_named(project: Path, arguments: dict[str, Any], reason: str) -> None:
    planned = retrain(dry_run=True, **arguments).planned[0]
    assert (planned.status, planned.is_up_to_date) == ("to train", False)
    assert reason in planned.reason
    assert "run_key" not in planned.reason


@pytest.mark.parametrize("name", ["head.safetensors", "history.csv", "run.json"])
@pytest.mark.parametrize("damage", ["altered", "cut", "removed"])
def test_a_run_that_is_not_whole_is_trained_again_to_the_same_head(project: Path, name: str, damage: str) -> None:
    whole = {path.name: path.read_bytes() for path in RUN.iterdir()}
    path, data = RUN / name, whole[name]
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(data[:-9] if damage == "cut" else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    result = retrain()
    assert len(result.trained) == 1
    assert bool(result.planned[0].reason) == ((name, damage) != ("run.json", "removed"))
    assert {name: (RUN / name).read_bytes() for name in ("head.safetensors", "history.csv")} == {
        name: whole[name] for name in ("head.safetensors", "history.csv")
    }
    assert not retrain().trained


def test_a_changed_label_of_a_train_row_trains_again_and_one_of_a_test_row_does_not(
    project: Path, fer_stage: FerStage
) -> None:
    path = Path("tables/sample-a.parquet")
    for split, n_trained in (("test", 0), ("train", 1)):
        table = SampleTable.read(path)
        frame = table.frame.copy()
        row = frame.index[frame["split"] == split][0]
        frame.loc[row, "label"] = "fear" if frame.loc[row, "label"] != "fear" else "anger"
        write_table(SampleTable(frame, table.info), path)
        fer_stage("extract", "--dataset", "sample-a", "--decoders", "1")
        result = retrain()
        assert len(result.trained) == n_trained, split
        assert result.planned[0].reason.startswith("rows was ") == bool(n_trained)


def test_force_trains_again_what_is_up_to_date(project: Path, fer_stage: FerStage) -> None:
    before = modified()
    assert retrain(force=True).planned[0].status == "to train"
    assert modified() != before
    head = RUN / "head.safetensors"
    record = fer_stage("train", "--method", "feature-mask", "--dataset", "sample-a", "--force", "--format", "json")
    assert record["status"] == "trained"
    assert head.is_file()


def test_seeds_that_are_added_are_trained_beside_those_that_are_up_to_date(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    before = modified()
    planned = fer_stage(
        *("train", "--method", "feature-mask", "--dataset", "sample-a"),
        *("--seeds", "0,4", "--dry-run", "--format", "json"),
    )
    assert [(run["seed"], run["status"]) for run in planned] == [(0, "up to date"), (4, "to train")]
    assert modified() == before
    command = ["train", "--method", "feature-mask", "--dataset", "sample-a", "--seeds", "0,4", "--format", "json"]
    assert stages.cli.run([*command, "--curves", "curves"]) == 0
    printed = capsys.readouterr()
    assert [(run["seed"], run["status"]) for run in json.loads(printed.out)] == [(0, "up to date"), (4, "trained")]
    assert "trained 1, up to date 1" in printed.err
    assert sorted(path.name for path in Path("curves").iterdir()) == ["seed-0.csv", "seed-4.csv"]
    assert {name: time for name, time in modified().items() if "seed-0" in name} == before
    assert [run.status for run in retrain(seeds=4, prune=True).runs] == ["up to date"]
    assert [path.name for path in RUN.parent.iterdir()] == ["seed-4"]


def test_what_a_request_states_is_rewritten_without_training(project: Path) -> None:
    head = (RUN / "head.safetensors").stat().st_mtime_ns
    scores = Path("runs/scores", RUN.relative_to("runs"), "scores.json")
    before = scores.read_bytes()
    PARAMS.write_text(PARAMS.read_text().replace("{untrained: untrained}", "{untrained: untrained, again: untrained}"))
    (RUN / "run.json").write_text(json.dumps(stated() | {"encoder_note": "an older note", "recipe": "cafe/raf-db"}))
    result = retrain()
    assert not result.trained
    assert (stated()["encoder_note"], stated()["recipe"]) == (result.note, "")
    assert result.runs[0].record.as_json() == stated()
    assert ((RUN / "head.safetensors").stat().st_mtime_ns, scores.read_bytes()) == (head, before)


def test_a_raised_version_of_a_method_trains_it_again(project: Path) -> None:
    planned = state_of(stated() | {"method_version": stated()["method_version"] + 1})
    assert planned.reason.startswith("method_version was ")


def test_a_changed_file_of_a_method_of_ones_own_trains_it_again(project: Path) -> None:
    Path("my_head.py").write_text(python_files("docs/extending.md")["my_head.py"])
    own = "my_head.py:MyHead"
    assert len(stages.train(own, "sample-a").trained) == 1
    assert not stages.train(own, "sample-a").trained
    Path("my_head.py").write_text(Path("my_head.py").read_text() + "\n# changed\n")
    result = stages.train(own, "sample-a")
    assert len(result.trained) == 1
    assert result.planned[0].reason.startswith("method_code was ")


def test_several_datasets_are_trained_by_one_call_and_the_default_is_that_of_params(
    project: Path, fer_stage: FerStage
) -> None:
    result = stages.train("feature-mask", (name for name in ("sample-e", "sample-a", "sample-e")), curves="curves")
    assert [(run.record.dataset, run.status) for run in result.runs] == [
        ("sample-e", "trained"),
        ("sample-a", "up to date"),
    ]
    assert result.frame["dataset"].tolist() == ["sample-e", "sample-a"]
    assert sorted(map(str, Path("curves").rglob("*.csv"))) == [
        "curves/sample-a/seed-0.csv",
        "curves/sample-e/seed-0.csv",
    ]
    alone = stages.train("feature-mask", "sample-e", runs="alone")
    assert alone.runs[0].record.head_sha256 == result.runs[0].record.head_sha256
    rows = fer_stage(
        *("train", "--method", "feature-mask", "--dataset", "sample-a", "--dataset", "sample-e", "--format", "json")
    )
    assert [(row["dataset"], row["status"]) for row in rows] == [
        ("sample-a", "up to date"),
        ("sample-e", "up to date"),
    ]
    assert [run.dataset for run in stages.train("feature-mask", dry_run=True).planned] == ["sample-a", "sample-e"]
    with pytest.raises(ParamsError, match="dataset"):
        stages.train("feature-mask", 3)  # type: ignore[arg-type]


def test_a_dataset_that_cannot_be_trained_on_is_refused_before_any_is(project: Path) -> None:
    with pytest.raises(Exception, match="no store at features/untrained/elsewhere"):
        stages.train("feature-mask", ["sample-e", "elsewhere"])
    assert not (RUN.parents[1] / "sample-e").exists()


def test_other_labels_are_refused_before_anything_is_trained(project: Path, fer_stage: FerStage) -> None:
    path = Path("tables/sample-a.parquet")
    table = SampleTable.read(path)
    frame, info = table.frame.copy(), replace(table.info, classes=EXPRESSIONS)
    frame.loc[frame.index[frame["split"] == "train"][0], "label"] = "contempt"
    write_table(SampleTable(frame, info), path)
    fer_stage("extract", "--dataset", "sample-a", "--decoders", "1")
    with pytest.raises(MismatchError, match=r"sample-a train: expected only the classes .* found also contempt 1 rows"):
        stages.train("feature-mask", ["sample-e", "sample-a"])
    assert not (RUN.parents[1] / "sample-e").exists()
    PARAMS.write_text(PARAMS.read_text() + "protocol: {drop_other_labels: true}\n")
    assert stages.train("feature-mask", "sample-a").runs[0].record.dropped == {"contempt": 1}
    assert not stages.train("feature-mask", "sample-a").trained
    PARAMS.write_text(PARAMS.read_text().replace("drop_other_labels: true", "drop_other_labels: false"))
    with pytest.raises(MismatchError):
        stages.train("feature-mask", "sample-a")


def test_a_dataset_whose_heads_cannot_be_trained_does_not_lose_the_others(project: Path, fer_stage: FerStage) -> None:
    """All train rows of sample-e have one label."""
    path = Path("tables/sample-e.parquet")
    table = SampleTable.read(path)
    labels = table.frame["label"].where(table.frame["split"] != "train", "fear")
    write_table(SampleTable(table.frame.assign(label=labels), table.info), path)
    fer_stage("extract", "--dataset", "sample-e", "--decoders", "1")
    with pytest.raises(PartialTrainingError, match=r"^sample-e train: expected rows") as error:
        stages.train("feature-mask", ["sample-e", "sample-a"], options={"epochs": 2})
    assert [(run.record.dataset, run.is_new) for run in error.value.result.runs] == [("sample-a", True)]


@pytest.mark.slow
def test_a_kill_between_two_runs_costs_the_run_in_work_only(project: Path) -> None:
    code = (
        "import os, signal, stages.workflows.train as train\n"
        "write = train._write\n"
        "n = []\n"
        "def killed(*args):\n"
        "    n.append(write(*args))\n"
        "    if len(n) == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return n[-1]\n"
        "train._write = killed\n"
        "import stages\n"
        "stages.train('feature-mask', 'sample-a', seeds=[0, 1, 2, 3], options={'epochs': 2}, quiet=True)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    result = retrain(seeds=[0, 1, 2, 3], options={"epochs": 2})
    assert (len(result.trained), len(result.up_to_date)) == (2, 2)
