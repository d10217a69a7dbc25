"""A program that uses the Python API, under `mypy --strict`: what works has no error, and what is wrong has one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import stages

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
from pathlib import Path

import numpy as np
import pandas as pd

import stages

names = ["sample-a", "sample-b"]
folder = Path("data")

stages.init("lab", datasets=names, layouts={"sample-a": "folder"}, roles={"sample-b": "test"})
stages.status(runs=folder, features="features").check()
stages.datasets(tables="tables", params=Path("params.yaml"))
stages.code(tables=folder)
stages.draw("sample-a", out="data/sample-a", contact_sheet=folder / "sheet.png")
table = stages.index("sample-a", root="data/sample-a", options={"seed": 1})
stages.index("sample-a", root=folder / "sample-a", tables=folder)
stages.align("sample-a", contact_sheet="sheet.png", face_tables="faces")
audited: pd.DataFrame = stages.audit(names, kinds=("bytes",), audits="audits", pairs=folder / "pairs.csv").pairs
stages.audit("sample-a", encoder="mini", zero_shot=True, contact_sheet="sheet.png")
stages.audit("sample-a", run="runs/mini/linear-probe/sample-b/seed-0")
store = stages.extract("sample-a", encoder="mini", outputs=["pooled", "tokens"], features="features")
stages.extract("sample-a", outputs=("pooled",), views=4, features=Path("features"), root="data")
stages.extract("sample-a", outputs="pooled", tables="tables", follow_links=True)
stages.encode_text("mini", features="features")
stages.query(store, columns=["id"], near="id-1", k=3)
stages.query(store, near=folder / "photo.jpg")
stages.query("features/mini/sample-a.zarr", output="rows.parquet")
stages.query(store.store, columns=("id", "label"), output=folder / "rows.npy")
counts: pd.DataFrame = stages.describe_store(store).frame
stages.describe_store(Path("features") / "mini" / "sample-a.zarr").arrays[0].shape
runs = stages.train("cafe", "sample-a", seeds=range(10), grid={"lambda_sep": [0.5, 1], "hidden": {"narrow": 32}})
stages.train("cafe", "sample-a", seeds=0, curves="curves", options={"epochs": 2})
stages.train("cafe", "sample-a", seeds=[0, 1], runs="runs", grid={"lambda_sep": (0.5, 1.5)})
stages.train("cafe", "sample-a", seeds=np.arange(3), runs=folder)
scores = stages.evaluate(runs, datasets=names)
stages.evaluate("runs/mini", datasets="sample-b", split="val")
stages.evaluate([runs, "runs/mini", Path("runs")], datasets=tuple(names))
stages.evaluate(runs.folders)
compared = stages.compare([runs, "runs/mini/kefer"], datasets="sample-b", metric="accuracy", by="train")
stages.compare("runs")
stages.predict("photo.jpg", run=runs.folders[0])
stages.predict(["photo.jpg", Path("photos")], run="runs/mini/cafe/sample-a/seed-0", annotate="labelled")
stages.predict(sorted(Path("photos").glob("*.jpg")))
stages.export_head("runs/mini/cafe/sample-a/seed-0", out="head", onnx=True)
stages.export_head(runs.folders[0], folder / "head")
stages.report(runs="runs", reports=folder)
rows: list[str] = [str(entry["dataset"]) for entry in scores.scores]
frames: list[pd.DataFrame] = [table.frame, store.frame, runs.frame, scores.frame, compared.frame]

stages.init(roles={"sample-b": "validation"})  # error: dict-item
stages.index("sample-a", root=3)  # error: arg-type
stages.index("sample-a", rooot="data")  # error: call-arg
stages.extract("sample-a", outputs=[1])  # error: list-item
stages.extract("sample-a", dtype="float64")  # error: arg-type
stages.train("cafe", "sample-a", seeds=["0"])  # error: list-item
stages.evaluate(3)  # error: arg-type
stages.evaluate()  # error: call-arg
stages.query(3)  # error: arg-type
"""


def test_the_program_uses_every_function() -> None:
    assert {name for name in stages.__all__ if f"stages.{name}(" in PROGRAM} == set(stages.__all__)


@pytest.mark.slow
def test_lists_and_paths_type_check_and_wrong_arguments_do_not(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "--follow-imports=silent"]
    done = subprocess.run(
        [*command, "--cache-dir", str(tmp_path / "cache"), "--config-file", "", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    lines = PROGRAM.splitlines()
    expected = [(i, line.rpartition("# error: ")[2]) for i, line in enumerate(lines, 1) if "# error: " in line]
    reported = re.findall(r"^.*program\.py:(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    assert [(int(line), kind) for line, kind in reported] == expected, done.stdout + done.stderr
