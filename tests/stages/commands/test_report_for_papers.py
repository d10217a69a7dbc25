"""`fer-stage report --latex --figures`: files for a paper beside the page, and notes on what is missing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import stages
from pipeline.predict.saved import read_saved
from stages.cli import run
from stages.workflows.opened_stores import OpenedStores
from stages.workflows.paper_sources import FeatureReader
from stages.workflows.report import gather

RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")
PREDICTIONS = Path("runs/scores/untrained/feature-mask/sample-a/seed-0/predictions")


def test_tables_and_figures_are_written_beside_the_page(project: Path, fer_stage: Callable[..., Any]) -> None:
    summary = fer_stage("report", "--latex", "--figures", "--format", "json")
    latex, figures = Path("reports/latex"), Path("reports/figures")
    assert summary["files"] == {"reports/latex": 5, "reports/figures": 32}
    assert sorted(path.stem for path in latex.iterdir()) == [
        "matrix-untrained-accuracy",
        "matrix-untrained-uar",
        "preview",
        "recall-untrained-sample-a-sample-a",
        "recall-untrained-sample-a-sample-e",
    ]
    assert "\\input{matrix-untrained-uar}" in (latex / "preview.tex").read_text()
    kinds = {path.stem.partition("-")[0] for path in figures.iterdir()}
    assert kinds == {"ranking", "confusion", "reliability", "features"}
    for pdf in figures.glob("*.pdf"):
        assert {path.suffix for path in figures.glob(f"{pdf.stem}.*")} == {".pdf", ".svg", ".csv", ".tex"}
    bins = pd.read_csv(figures / "reliability-untrained-feature-mask-sample-a-sample-e.csv")
    score = stages.report(dry_run=True).frame.query("test == 'sample-e'").iloc[0]
    assert bins["n"].sum() == score["n"]
    assert (bins["n"] * bins["accuracy"]).sum() / score["n"] == pytest.approx(score["accuracy"])


def test_a_report_without_them_is_as_before(project: Path, fer_stage: Callable[..., Any]) -> None:
    assert fer_stage("report", "--format", "json") == {"path": "reports/index.html", "runs": 1}
    assert sorted(path.name for path in Path("reports").iterdir()) == ["index.html", "metrics.json", "tables"]


def test_a_dry_run_writes_nothing(project: Path) -> None:
    result = stages.report(latex=True, figures="all", dry_run=True)
    assert [path.parent for path in result.files] == [Path("reports/latex")] * 5
    assert not Path("reports").exists()


def test_an_unknown_figure_is_refused_with_the_names_that_there_are(
    project: Path, fer_stage: Callable[..., Any]
) -> None:
    message = fer_stage("report", "--figures", "rankin", code=2)
    assert "--figures: expected names among ranking, sensitivity, confusion, reliability, features, or all" in message
    assert "'rankin'" in message


def test_predictions_that_are_gone_are_noted_with_the_command_that_makes_them_for_the_page_and_for_figures(
    project: Path, fer_stage: Callable[..., Any]
) -> None:
    shutil.rmtree(PREDICTIONS / "sample-a")
    result = stages.report(figures=["reliability"])
    assert {path.stem for path in result.files} == {"reliability-untrained-feature-mask-sample-a-sample-e"}
    of_page, of_figures = result.notes
    assert of_page.startswith("Left out of the reliability diagrams: 1 file")
    assert of_figures == (
        "No figure of reliability of feature-mask of sample-a on sample-a: the predictions that these scores are of "
        "are not here. To make them: `fer-stage evaluate --run runs`"
    )
    assert run(["evaluate", "--run", "runs"]) == 0
    assert fer_stage("report", "--figures", "reliability", "--format", "json")["files"] == {"reports/figures": 8}


def test_figures_without_matplotlib_name_the_extra_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fer_stage: Callable[..., Any]
) -> None:
    monkeypatch.chdir(tmp_path)  # no runs: a later message would be of them
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = fer_stage("report", "--figures", "ranking", code=1)
    assert "figures need the package matplotlib, found none. Run: pip install 'fer-stage[figures]'" in message


def test_significance_is_what_compare_finds(project: Path, fer_stage: Callable[..., Any]) -> None:
    fer_stage("train", "--method", "linear-probe", "--dataset", "sample-a", "--option", "refinements=0")
    fer_stage("evaluate", "--run", "runs/untrained/linear-probe")
    fer_stage("report", "--latex", "--significance")
    pairs = stages.compare("runs", metric="accuracy").frame
    equal = {row.dataset for row in pairs.itertuples() if row.p_holm > 0.05 and row.difference}
    table = Path("reports/latex/matrix-untrained-accuracy.tex").read_text()
    assert table.count("\\underline{") == len(equal)
    assert (
        fer_stage("report", "--significance", code=2)
        .rstrip()
        .endswith("--significance marks scores of --latex: add it")
    )


def test_files_of_an_earlier_report_are_named(project: Path, fer_stage: Callable[..., Any]) -> None:
    old = Path("reports/latex/matrix-gone-accuracy.tex")
    old.parent.mkdir(parents=True)
    old.write_text("old")
    (old.parent / "preview.log").write_text("of pdflatex")
    notes = stages.report(latex=True).notes
    assert notes == (
        "In reports/latex are files that are not of this report: matrix-gone-accuracy.tex. Delete what is not needed",
    )
    assert old.read_text() == "old"


def test_features_are_those_of_the_store_and_what_the_head_classifies(project: Path) -> None:
    """The classifier of the head, on what is drawn of the head, gives the head's own logits."""
    (report_run,) = gather(Path("runs"), OpenedStores(Path("features"))).runs
    reader = FeatureReader(Path("features"))
    score = report_run.scores_on("sample-e")[0]
    pair = reader.read(report_run, score, 1000)
    assert pair is not None
    assert (len(pair.ids), len(pair.stored)) == (score.n, score.n)
    head = read_saved(RUN).build()
    weight, bias = (head.state_dict()[f"classifier.{name}"].numpy() for name in ("weight", "bias"))
    logits = head.predict({"pooled": pair.stored})
    assert np.allclose(pair.of_head @ weight.T + bias, logits, atol=1e-4)
    some = reader.read(report_run, score, 5)
    assert some is not None
    assert len(some.ids) == 5
    assert set(some.ids) < set(pair.ids)


def test_features_of_another_store_than_the_scored_one_are_refused(
    project: Path, fer_stage: Callable[..., Any]
) -> None:
    shutil.rmtree("features/untrained/sample-e.zarr")
    fer_stage("extract", "--dataset", "sample-e", "--decoders", "1", "--dtype", "float16")
    message = fer_stage("report", "--figures", "features", code=1)
    assert "expected the features that" in message
    assert f"fer-stage evaluate --run {RUN}" in message
