"""The stage graph, run for real on a small project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.dvc
ROOT = Path(__file__).parents[2]
PARAMS = {
    "classes": 7,
    "datasets": {name: {"layout": "sample", "root": f"data/{name}"} for name in ("sample-a", "sample-e")},
    "encoders": {"untrained": "untrained"},
    "sample": {"version": 1, "images": 60, "seed": 0},
    "extract": {"ending": "zarr"},
    "prompts": "clip",
    "prompt_sets": {},
    "methods": {"linear-probe": {"refinements": 0}, "feature-mask": {"epochs": 2, "beta_div": 5.0}},
    "protocol": {"test_split": "test", "drop_other_labels": False},
    "run": {
        "samples": ["sample-a", "sample-e"],
        "datasets": ["sample-a", "sample-e"],
        "encoders": ["untrained"],
        "methods": ["linear-probe", "feature-mask"],
        "seeds": [0],
    },
}


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """The repository's own dvc.yaml with small parameters, as a git repository of its own."""
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", tmp_path / ".dvc" / "config")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def _repro(folder: Path) -> set[str]:
    """The stages that ran."""
    beside = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": f"{beside}:{os.environ['PATH']}"}
    done = subprocess.run(
        [f"{beside}/dvc", "repro"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"Running stage '([^']+)'", done.stdout))


def test_repro_makes_everything_then_nothing_then_only_what_changed(graph: Path) -> None:
    assert len(_repro(graph)) == 2 + 2 + 2 + 2 + 1 + 4 + 2 + 1
    assert (graph / "reports" / "index.html").stat().st_size > 1_000_000
    assert _repro(graph) == set()

    changed = PARAMS | {"methods": PARAMS["methods"] | {"feature-mask": {"epochs": 2, "beta_div": 4.0}}}  # type: ignore[operator]
    (graph / "params.yaml").write_text(yaml.safe_dump(changed))
    trained = {f"train@untrained-feature-mask-sample-{style}-0" for style in "ae"}
    assert _repro(graph) == trained | {"evaluate@untrained-feature-mask", "report"}
