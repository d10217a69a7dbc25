"""What `dvc repro` runs again after a change, and which heads `train` trains: the table of docs/graph.md."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from documented import ROOT, environment

pytestmark = [pytest.mark.dvc, pytest.mark.slow]
PARAMS: dict[str, Any] = {
    "classes": 7,
    "datasets": {name: {"layout": "csv", "root": f"data/{name}"} for name in ("a", "b")},
    "encoders": {"enc": "untrained"},
    "sample": {"version": 1, "images": 60, "seed": 0},
    "extract": {"format": "zarr", "dtype": "float32"},
    "prompts": "clip",
    "prompt_sets": {},
    "methods": {"feature-mask": {"epochs": 2, "beta_div": 5.0}, "zero-shot": {}},
    "protocol": {"test_split": "test", "drop_other_labels": False},
    "run": {
        "samples": [],
        "datasets": ["a", "b"],
        "train": ["a", "b"],
        "encoders": ["enc"],
        "methods": ["feature-mask", "zero-shot"],
        "folds": {},
        "seeds": [0, 1],
    },
}
TRAIN = {"train@enc-feature-mask", "train@enc-zero-shot"}
SCORED = {"evaluate@enc", "report"}
MASK = {f"feature-mask/{dataset}/seed-{seed}" for dataset in "ab" for seed in (0, 1)}
ZERO_SHOT = {f"zero-shot/{dataset}/seed-0" for dataset in "ab"}  # not random: one seed


def _call(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _write_params(folder: Path, params: Mapping[str, Any]) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def _draw(folder: Path, name: str, style: str) -> None:
    """A dataset of one's own: a list of labelled pictures, with splits."""
    _call(folder, "fer-stage", "draw", "--style", style, "--images", "60", "--out", f"drawn/{name}", "--quiet")
    shutil.copytree(folder / "drawn" / name / "images", folder / "data" / name / "images")
    with (folder / "drawn" / name / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    _write_labels(folder / "data" / name / "labels.csv", rows)


def _write_labels(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reruns")
    for name in ("dvc.yaml", ".dvcignore", "pipeline/versions.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    graph = yaml.safe_load((folder / "dvc.yaml").read_text())
    del graph["stages"]["draw"]  # the datasets are one's own
    (folder / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False))
    _write_params(folder, PARAMS)
    _draw(folder, "a", "sample-a")
    _draw(folder, "b", "sample-e")
    _call(folder, "dvc", "init", "--no-scm", "--quiet")
    _call(folder, "dvc", "repro")
    return folder


def _change(name: str, *path: str) -> Callable[[Path], None]:
    """A change of params.yaml: the value of YAML `name` at `path`."""

    def change(folder: Path) -> None:
        params = yaml.safe_load((folder / "params.yaml").read_text())
        block = params
        for part in path[:-1]:
            block = block[part]
        block[path[-1]] = yaml.safe_load(name)
        _write_params(folder, params)

    return change


def _add_dataset(folder: Path) -> None:
    _draw(folder, "c", "sample-c")
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["datasets"]["c"] = {"layout": "csv", "root": "data/c"}
    params["run"] |= {"datasets": ["a", "b", "c"], "train": ["a", "b", "c"]}
    _write_params(folder, params)


def _change_label(split: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "data/b/labels.csv"
        with path.open() as file:
            rows = list(csv.DictReader(file))
        row = next(row for row in rows if row["split"] == split)
        row["label"] = "fear" if row["label"] != "fear" else "anger"
        _write_labels(path, rows)

    return change


CHANGES: dict[str, tuple[Callable[[Path], None], set[str], set[str]]] = {
    "nothing": (lambda folder: None, set(), set()),
    "loss weight": (
        _change("1.0", "methods", "feature-mask", "beta_div"),
        {"code", "train@enc-feature-mask", *SCORED},
        MASK,
    ),
    "seed added": (
        _change("[0, 1, 2]", "run", "seeds"),
        {*TRAIN, *SCORED},
        {f"feature-mask/{dataset}/seed-2" for dataset in "ab"},
    ),
    "dataset added": (
        _add_dataset,
        {"code", "index@c", "align@c", "extract@enc-c", *TRAIN, *SCORED},
        {"feature-mask/c/seed-0", "feature-mask/c/seed-1", "zero-shot/c/seed-0"},
    ),
    "label of a train row": (
        _change_label("train"),
        {"index@b", "align@b", "extract@enc-b", *TRAIN, *SCORED},
        {name for name in MASK | ZERO_SHOT if "/b/" in name},
    ),
    "label of a test row": (
        _change_label("test"),
        {"index@b", "align@b", "extract@enc-b", *TRAIN, *SCORED},
        set(),
    ),
    "encoder": (
        _change("mini", "encoders", "enc"),
        {"code", "extract@enc-a", "extract@enc-b", "encode-text@enc", *TRAIN, *SCORED},
        MASK | ZERO_SHOT,
    ),
    "prompt set": (
        _change("kefer", "prompts"),
        {"encode-text@enc", *TRAIN, *SCORED},
        ZERO_SHOT,
    ),
}


def _heads(folder: Path) -> dict[str, int]:
    """Time of writing by METHOD/DATASET/seed-N."""
    root = folder / "runs" / "enc"
    return {str(path.parent.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("head.safetensors")}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_runs_what_it_concerns_and_trains_only_those_heads(
    finished: Path, tmp_path: Path, change: str
) -> None:
    folder = tmp_path / "graph"
    shutil.copytree(finished, folder, symlinks=True)
    make, stages_run, trained = CHANGES[change]
    before = _heads(folder)
    make(folder)
    printed = _call(folder, "dvc", "repro")
    after = _heads(folder)
    assert set(re.findall(r"Running stage '([^']+)'", printed)) == stages_run
    assert {name for name in after if before.get(name) != after[name]} == trained
    runs = {path.parent: json.loads(path.read_text()) for path in (folder / "runs/scores").rglob("scores.json")}
    datasets = yaml.safe_load((folder / "params.yaml").read_text())["run"]["datasets"]
    assert len(runs) == len(after)
    assert all([score["dataset"] for score in scores] == datasets for scores in runs.values())


def test_a_second_run_takes_seconds(finished: Path) -> None:
    start = time.perf_counter()
    assert "Running stage" not in _call(finished, "dvc", "repro")
    assert time.perf_counter() - start < 60  # two or three on a quiet machine; this one may be busy
