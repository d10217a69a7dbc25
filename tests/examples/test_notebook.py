"""The notebook of examples/: its very cells, run one after the other on a small sample."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"
SMALL = """
sample: {version: 1, images: 60, seed: 0}
datasets:
  sample-a: {layout: sample, root: data/sample-a}
  sample-b: {layout: sample, root: data/sample-b}
methods:
  feature-mask: {epochs: 2}
  kefer: {epochs: 2}
"""
CHECK = """
assert set(scores["method"]) == {"feature-mask", "kefer"}
assert scores.groupby(["method", "dataset"])["seed"].nunique().tolist() == [10] * 4
assert scores["uar"].between(0, 1).all()
"""


def cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_its_cells_run_and_score_ten_seeds(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(SMALL)
    program = "\n".join([*cells(), CHECK])
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_it_is_short_and_holds_no_output() -> None:
    lines = [line for cell in cells() for line in cell.splitlines() if line.strip()]
    assert len(lines) < 25
    notebook = json.loads(NOTEBOOK.read_text())
    assert all(not cell.get("outputs") for cell in notebook["cells"])
