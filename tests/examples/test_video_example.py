"""examples/video as a graph, in a small form: clips from drawing to the report, each frame encoded once."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from documented import ROOT, environment

pytestmark = [pytest.mark.dvc, pytest.mark.slow]

EXAMPLE = ROOT / "examples" / "video"
STYLES = ["sample-video-a", "sample-video-e"]
SHORT = {
    "linear-probe": {"refinements": 0},
    "feature-mask": {"epochs": 1},
    "metd": {"epochs": 1},
    "temporal-attention": {"epochs": 1},
    "temporal-transformer": {"epochs": 1},
}


def _small(**changes: Any) -> dict[str, Any]:
    """The parameters of the example with two styles, two folds and few clips."""
    params: dict[str, Any] = yaml.safe_load((EXAMPLE / "params.yaml").read_text())
    assert set(params["methods"]) == set(SHORT)
    run = params["run"] | {"samples": STYLES, "datasets": STYLES, "folds": {STYLES[0]: 2}}
    datasets = {name: params["datasets"][name] for name in STYLES}
    small = {"datasets": datasets, "methods": SHORT, "sample": {"clips": 42, "seed": 0}, "run": run}
    return params | small | changes


def _call(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _repro(folder: Path, params: dict[str, Any]) -> set[str]:
    """The stages that ran, without their matrix."""
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return set(re.findall(r"Running stage '([\w-]+)", _call(folder, "dvc", "repro")))


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example after `dvc repro`, in a repository of its own."""
    folder = tmp_path_factory.mktemp("video")
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", "pipeline/versions.json", ".dvc/config", ".dvc/.gitignore"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(EXAMPLE / name, folder / name)
    _call(folder, "git", "init", "--quiet")
    stages = _repro(folder, _small())
    assert stages >= {"draw", "index", "extract", "train", "evaluate", "report"}
    return folder


def test_every_head_is_scored_on_clips_of_its_fold_and_of_the_other_style(graph: Path) -> None:
    root = graph / "runs" / "scores" / "mini"
    scores = [
        (path.relative_to(root).parts[0], score)
        for path in root.rglob("scores.json")
        for score in json.loads(path.read_text())
    ]
    assert {(method, score["dataset"]) for method, score in scores} == {
        (name, test) for name in SHORT for test in STYLES
    }
    assert {score["unit"] for _, score in scores} == {"clip"}
    # Two folds of 42 clips by person, with seven clips each; of six people the third one is the test split.
    assert {score["n"] for _, score in scores if score["dataset"] == STYLES[0]} == {21}
    assert {score["n"] for _, score in scores if score["dataset"] == STYLES[1]} == {7}


def test_other_frames_and_seeds_train_and_encode_nothing(graph: Path) -> None:
    methods = SHORT | {"temporal-attention": {"epochs": 1, "clip_frames": 4}}
    params = _small(methods=methods)
    stages = _repro(graph, params | {"run": params["run"] | {"seeds": [0, 1]}})
    assert "train" in stages
    assert not stages & {"draw", "index", "align", "extract"}
    assert _repro(graph, params | {"run": params["run"] | {"seeds": [0, 1]}}) == set()
