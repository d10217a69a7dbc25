"""`fer-stage report`: what is left out or separated is listed on stderr, counted, with advice."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import stages
from stages.cli import run

RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")
SCORES = Path("runs/scores/untrained/feature-mask/sample-a/seed-0/scores.json")

TRAIN = "fer-stage train --method feature-mask --dataset sample-a --encoder untrained --seed 0"

Report = Callable[[], tuple[str, pd.DataFrame]]


@pytest.fixture
def report(project: Path, capsys: pytest.CaptureFixture[str]) -> Report:
    """Make the report of the project: what stderr says, and the table of cells."""

    def made() -> tuple[str, pd.DataFrame]:
        capsys.readouterr()
        assert run(["report"]) == 0
        return capsys.readouterr().err, pd.read_csv("reports/tables/cells.csv")

    return made


def change_scores(**changes: Any) -> None:
    SCORES.write_text(json.dumps([score | changes for score in json.loads(SCORES.read_text())]))


def second_seed(**changes: Any) -> None:
    """The same head once more under seed 1, but for some fields of its record, with its scores."""
    for path in (RUN, SCORES.parent):
        shutil.copytree(path, path.with_name("seed-1"))
    record = RUN.with_name("seed-1") / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"seed": 1} | changes))


def test_a_whole_project_has_nothing_to_say(report: Report) -> None:
    err, cells = report()
    assert "note:" not in err
    assert list(cells["test"]) == ["sample-a", "sample-e"]


def test_runs_of_other_options_are_no_seeds_of_one_mean(report: Report) -> None:
    config = json.loads((RUN / "run.json").read_text())["config"]
    second_seed(config=config | {"epochs": 5})
    err, cells = report()
    assert "differ in their settings, not in the seed alone: epochs=3; epochs=5" in err
    assert set(cells["method"]) == {"feature-mask (epochs=3)", "feature-mask (epochs=5)"}
    assert set(cells["seeds"]) == {1}


def test_runs_that_differ_in_the_seed_alone_are_one_mean(report: Report) -> None:
    second_seed()
    err, cells = report()
    assert "note:" not in err
    assert set(cells["seeds"]) == {2}


def test_scores_of_a_replaced_head_are_left_out_with_their_file_and_advice(report: Report) -> None:
    change_scores(head_sha256="0" * 64)
    err, cells = report()
    left_out = "Left out: 2 scores of other heads than those of the runs, or by another version of evaluate, in"
    assert f"{left_out} {SCORES}" in err
    assert "fer-stage evaluate --run runs" in err
    assert cells.empty


def test_scores_without_their_run_are_named(report: Report) -> None:
    stray = Path("runs/scores/untrained/other/sample-a/seed-0/scores.json")
    stray.parent.mkdir(parents=True)
    shutil.copy(SCORES, stray)
    err, cells = report()
    assert f"Left out: 1 file ({stray}) of scores without the run that they are of" in err
    assert len(cells) == 2


def test_incomplete_records_are_refused_with_the_command_that_writes_them_again(
    project: Path, fer_stage: Callable[..., Any]
) -> None:
    record = {name: value for name, value in json.loads((RUN / "run.json").read_text()).items() if name != "run_key"}
    (RUN / "run.json").write_text(json.dumps(record))
    message = fer_stage("report", code=1)
    assert f"{RUN / 'run.json'}: expected the record of a trained head, found 1 problem: run_key: Field req" in message
    assert message.rstrip().endswith(f"Run `{TRAIN}` with the options of the run")
    assert run(shlex.split(TRAIN)[1:]) == 0
    assert fer_stage("report", "--format", "json")["runs"] == 1


def test_incomplete_scores_are_refused_with_the_command_that_writes_them_again(
    project: Path, fer_stage: Callable[..., Any]
) -> None:
    SCORES.write_text(json.dumps([{"dataset": "sample-a"}]))
    message = fer_stage("report", code=1)
    assert f"{SCORES}: expected the scores of a head, found" in message
    command = f"fer-stage evaluate --run {RUN}"
    assert message.rstrip().endswith(f"Delete the file, or move it away, and evaluate again. Run `{command}`")
    SCORES.unlink()
    assert run(shlex.split(command)[1:]) == 0
    assert fer_stage("report", "--format", "json")["runs"] == 1


def test_a_report_in_python_has_one_row_per_run_and_test_dataset(project: Path) -> None:
    result = stages.report()
    assert list(result.frame["test"]) == ["sample-a", "sample-e"]
    assert result.path.is_file()
    assert result.notes == ()
    assert "<table" in result._repr_html_()


def test_a_dry_run_in_python_writes_nothing(project: Path) -> None:
    result = stages.report(reports="elsewhere", dry_run=True)
    assert (result.n_runs, result.path.exists()) == (1, False)


def test_a_dry_run_says_the_same_and_writes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_scores(head_sha256="0" * 64)
    capsys.readouterr()
    assert run(["report", "--dry-run"]) == 0
    assert "Left out: 2 scores" in capsys.readouterr().err
    assert not Path("reports").exists()


def test_runs_without_their_features_are_reported_and_the_stores_named(report: Report) -> None:
    shutil.move("features", "elsewhere")
    err, cells = report()
    assert "Left out: what is in 2 stores (untrained/sample-a, untrained/sample-e), not found below features" in err
    assert list(cells["test"]) == ["sample-a", "sample-e"]


@pytest.mark.parametrize(("text", "found"), [(None, "no such file"), ("epoch,loss\n1,two\n", "something else")])
def test_a_run_without_its_table_of_epochs_is_named_with_the_way_out(
    project: Path, capsys: pytest.CaptureFixture[str], text: str | None, found: str
) -> None:
    (RUN / "history.csv").unlink()
    if text:
        (RUN / "history.csv").write_text(text)
    assert run(["report"]) == 1
    err = capsys.readouterr().err
    assert f"{RUN / 'history.csv'}: expected the table of epochs that train writes, found {found}" in err
    assert f"Run `{TRAIN}` with the options of the run" in err


def test_predictions_that_were_left_elsewhere_are_named_and_the_rest_is_reported(report: Report) -> None:
    predictions = SCORES.parent / "predictions" / "sample-a" / "test.parquet"
    predictions.unlink()
    err, cells = report()
    assert f"Left out of the reliability diagrams: 1 file (predictions/sample-a/test.parquet of {RUN})" in err
    assert len(cells) == 2


def test_predictions_of_another_score_are_refused_with_the_command_that_makes_them(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions = SCORES.parent / "predictions" / "sample-a" / "test.parquet"
    predictions.write_bytes(b"other")
    assert run(["report"]) == 1
    err = capsys.readouterr().err
    assert str(predictions) in err
    assert f"fer-stage evaluate --run {RUN} --dataset sample-a" in err


def test_the_reliability_diagram_counts_every_scored_image(report: Report) -> None:
    """Two test sets of twelve: one within, one unseen, a diagram each."""
    _, cells = report()
    html = Path("reports/index.html").read_text()
    counts = [int(n.replace(",", "")) for n in re.findall(r"% right: [\d,]+ of ([\d,]+)", html)]
    assert sum(counts) == cells["n"].sum()
