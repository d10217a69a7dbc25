"""The metric that CONTRIBUTING adds: its very lines, in a process of its own, since modules read the table once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "CONTRIBUTING.md").read_text().split("\n## A new metric\n")[1].split("\n## ")[0]
FUNCTION, LINE = re.findall(r"^```python\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
ADDED = f"""
from pipeline.learning.metrics import METRICS, Counts, Metric
{FUNCTION}
METRICS |= {{
{LINE}
}}
"""
COMMANDS = """
import stages
from stages.cli import run

RUN = "runs/untrained/feature-mask/sample-a/seed-0"
stages.evaluate([RUN]).frame.to_csv("frame.csv")
assert run(["evaluate", "--run", RUN, "--format", "csv"]) == 0
assert run(["report"]) == 0
assert run(["head", "export", "--run", RUN, "--out", "head"]) == 0
trained = stages.train("feature-mask", "sample-a", options={"select_by": "macro_f1"}, runs="others")
[folder] = trained.folders
print(folder, trained.runs[0].record.selected_epoch)
"""
SCORES = Path("runs/scores/untrained/feature-mask/sample-a/seed-0/scores.json")


def _labels(confusion: list[list[int]]) -> tuple[list[int], list[int]]:
    """One row for each count: true classes, predicted classes."""
    pairs = [pair for pair, n in np.ndenumerate(np.array(confusion)) for _ in range(n)]
    return [true for true, _ in pairs], [predicted for _, predicted in pairs]


def _macro_f1(confusion: list[list[int]]) -> float:
    true, predicted = _labels(confusion)
    return float(f1_score(true, predicted, labels=sorted(set(true)), average="macro", zero_division=0))


def test_it_is_what_it_is_called() -> None:
    """Class 0: 2 * 3 / (4 + 4) = 0.75; class 1: 0 of (1 + 1); class 2 does not occur: (0.75 + 0) / 2."""
    module: dict[str, object] = {}
    exec(ADDED.replace("METRICS |=", "LINES ="), module)
    [metric] = module["LINES"].values()  # type: ignore[attr-defined]
    confusion = [[3, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert metric.score(np.array(confusion)) == 0.375 == _macro_f1(confusion)


def test_its_line_is_all_that_evaluate_report_card_and_selection_need(project: Path) -> None:
    before = SCORES.read_bytes()
    done = subprocess.run([sys.executable, "-c", ADDED + COMMANDS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert SCORES.read_bytes() == before
    expected = {score["dataset"]: _macro_f1(score["confusion"]) for score in json.loads(before)}

    frame = pd.read_csv("frame.csv").set_index("dataset")
    assert frame["macro_f1"].to_dict() == pytest.approx(expected)
    start = list(frame.columns).index("accuracy")
    assert list(frame.columns)[start : start + 8] == [
        *("accuracy", "accuracy_low", "accuracy_high", "uar", "uar_low", "uar_high"),
        *("macro_f1", "ece"),
    ]
    assert "dataset,split,seen,n,accuracy,uar,macro_f1,ci95" in done.stdout

    matrix = pd.read_csv("reports/tables/matrix.csv").set_index("test")
    assert matrix["macro_f1"].to_dict() == pytest.approx(expected, abs=1e-6)
    leaf = json.loads(Path("reports/metrics.json").read_text())["untrained"]["feature-mask"]["sample-a"]
    assert leaf["unseen"]["macro_f1"] == pytest.approx(expected["sample-e"], abs=1e-6)

    percent = f"{100 * expected['sample-e']:.1f}"
    page = Path("reports/index.html").read_text()
    assert "Macro-F1 of feature-mask on untrained" in page
    assert '<option value="macro_f1">Macro-F1</option>' in page
    assert '[data-selected="macro_f1"] [data-metric]:not([data-metric="macro_f1"])' in page
    assert "<dt>Macro-F1</dt><dd>Mean F1 of the expressions that occur among the test images.</dd>" in page
    assert f"<td>{percent}</td>" in page
    card = Path("head/README.md").read_text()
    assert "| UAR | macro-F1 | calibration error |" in card
    [row] = [line for line in card.splitlines() if line.startswith("| sample-e")]
    assert row.split(" | ")[6] == percent

    folder, selected = done.stdout.splitlines()[-1].rsplit(" ", 1)
    history = pd.read_csv(Path(folder, "history.csv"))
    assert history["val_macro_f1"].idxmax() + 1 == int(selected)
