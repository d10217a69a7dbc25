"""Which scores `evaluate` makes again, and which are up to date: by everything that determines them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stages
from pipeline.tables.samples import SampleTable
from stages.results import EvaluateResult
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")
SCORES = Path("runs/scores", RUN.relative_to("runs"), "scores.json")
MEASURED = (
    "n",
    "accuracy",
    "uar",
    "per_class",
    "support",
    "ece",
    "ece_expected",
    "ece_uncalibrated",
    "ci95",
    "confusion",
)


def evaluate(**arguments: Any) -> EvaluateResult:
    return stages.evaluate("runs", **arguments)


def test_unchanged_scores_are_not_made_again_and_no_torch_is_loaded(project: Path) -> None:
    before = SCORES.stat().st_mtime_ns
    code = (
        "import sys, stages\n"
        "result = stages.evaluate('runs')\n"
        "assert [(run.n_new, len(run.entries)) for run in result.runs] == [(0, 2)]\n"
        "assert {'torch', 'open_clip', 'torchvision'}.isdisjoint(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert SCORES.stat().st_mtime_ns == before
    assert [entry.as_json() for entry in evaluate().runs[0].entries] == json.loads(SCORES.read_text())


def test_every_field_that_states_what_was_scored_is_compared(project: Path) -> None:
    whole = json.loads(SCORES.read_text())
    for name in whole[1].keys() - set(MEASURED) - {"dataset", "split", "excluded_overlap"}:  # those are of its key
        value = whole[1][name]
        other: Any = {"more": 1} if isinstance(value, dict) else value + 1 if isinstance(value, int) else "float16"
        if isinstance(value, bool):
            other = not value
        elif isinstance(value, str) and name != "dtype":
            other = "0" * 64
        elif name in ("overlap", "dropped"):
            other = {"train": 1, "val": 0} if name == "overlap" else {"contempt": 1}
        SCORES.write_text(json.dumps([whole[0], whole[1] | {name: other}]))
        n_new = evaluate().runs[0].n_new
        assert n_new == 1, name
        assert json.loads(SCORES.read_text()) == whole, name


def test_scores_of_changed_rows_and_of_a_replaced_head_are_made_again(project: Path, fer_stage: FerStage) -> None:
    path = Path("tables/sample-e.parquet")
    table = SampleTable.read(path)
    row = table.frame.index[table.frame["split"] == "test"][0]
    label = "fear" if table.frame.loc[row, "label"] != "fear" else "anger"
    labels = table.frame["label"].where(table.frame.index != row, label)
    write_table(SampleTable(table.frame.assign(label=labels), table.info), path)
    fer_stage("extract", "--dataset", "sample-e", "--decoders", "1")
    assert [run.n_new for run in evaluate().runs] == [1]
    stages.train("feature-mask", "sample-a", options={"epochs": 2})
    assert [run.n_new for run in evaluate().runs] == [2]
    assert [run.n_new for run in evaluate().runs] == [0]


def test_a_new_seed_and_a_new_dataset_are_scored_beside_what_is_there(
    project: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    SCORES.unlink()
    assert evaluate(datasets="sample-a").runs[0].n_new == 1
    assert evaluate().runs[0].n_new == 1
    stages.train("feature-mask", "sample-a", seeds=[0, 1])
    assert stages.cli.run(["evaluate", "--run", "runs"]) == 0
    assert "scored 2, up to date 2" in capsys.readouterr().err


def test_prune_removes_scores_of_other_datasets_and_of_runs_that_are_gone(project: Path) -> None:
    stages.train("feature-mask", "sample-a", seeds=[0, 1])
    evaluate()
    stages.train("feature-mask", "sample-a", seeds=1, prune=True)
    elsewhere = Path("runs/scores/untrained/kefer/sample-a/seed-0/scores.json")
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_text("[]")
    below = SCORES.parents[1]
    stages.evaluate("runs/untrained/feature-mask", datasets="sample-a")
    assert sorted(path.name for path in below.iterdir()) == ["seed-0", "seed-1"]
    stages.evaluate("runs/untrained/feature-mask", datasets="sample-a", prune=True, dry_run=True)
    assert sorted(path.name for path in below.iterdir()) == ["seed-0", "seed-1"]
    stages.evaluate("runs/untrained/feature-mask", datasets="sample-a", prune=True)
    assert [path.name for path in below.iterdir()] == ["seed-1"]
    assert [score["dataset"] for score in json.loads((below / "seed-1/scores.json").read_text())] == ["sample-a"]
    assert elsewhere.exists()  # it is below no folder that was named
