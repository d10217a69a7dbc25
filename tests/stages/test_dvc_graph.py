"""The stage graph, run for real on a small project: one chain of stages always, the whole matrix where `slow` runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from documented import ROOT, environment

pytestmark = pytest.mark.dvc
PARAMS: dict[str, Any] = {
    "classes": 7,
    "datasets": {name: {"layout": "sample", "root": f"data/drawn/{name}"} for name in ("sample-a", "sample-e")},
    "encoders": {"untrained": "untrained"},
    "sample": {"version": 1, "images": 60, "seed": 0},
    "extract": {"format": "zarr"},
    "prompts": "clip",
    "prompt_sets": {},
    "methods": {"linear-probe": {"refinements": 0}, "feature-mask": {"epochs": 2, "beta_div": 5.0}},
    "protocol": {"test_split": "test", "drop_other_labels": False},
    "run": {
        "samples": ["sample-a", "sample-e"],
        "datasets": ["sample-a", "sample-e"],
        "train": ["sample-a"],  # sample-e is for tests only
        "encoders": ["untrained"],
        "methods": ["linear-probe", "feature-mask"],
        "folds": {},
        "seeds": [0, 1],
    },
}
RUNS = Path("runs/untrained/feature-mask/sample-a")


def _start(folder: Path, params: Mapping[str, Any]) -> None:
    """The repository's own dvc.yaml with small parameters, as a git repository of its own."""
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", "pipeline/versions.json", ".dvc/config", ".dvc/.gitignore"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    _write_params(folder, params)
    _call(folder, "git", "init", "--quiet")
    _commit(folder)


@pytest.fixture(scope="module")
def finished_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph after `dvc repro`."""
    folder = tmp_path_factory.mktemp("graph")
    _start(folder, PARAMS)
    assert len(_repro(folder)) == 1 + 1 + 2 + 2 + 2 + 1 + 2 + 1 + 1
    _commit(folder)
    return folder


@pytest.fixture
def graph(finished_graph: Path, tmp_path: Path) -> Path:
    """A copy of the finished graph."""
    folder = tmp_path / "graph"
    shutil.copytree(finished_graph, folder, symlinks=True)
    return folder


def _call(folder: Path, *command: str) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _commit(folder: Path) -> None:
    _call(folder, "git", "add", "-A")
    _call(folder, "git", "commit", "--quiet", "-m", "state")


def _write_params(folder: Path, params: Mapping[str, Any]) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def _repro(folder: Path) -> set[str]:
    """The stages that ran."""
    return set(re.findall(r"Running stage '([^']+)'", _call(folder, "dvc", "repro")))


def test_one_dataset_and_one_method_go_from_drawing_to_the_report(tmp_path: Path) -> None:
    run = {"samples": ["sample-a"], "datasets": ["sample-a"], "train": ["sample-a"]}
    run |= {"encoders": ["untrained"], "methods": ["linear-probe"], "folds": {}, "seeds": [0]}
    datasets = {"sample-a": PARAMS["datasets"]["sample-a"]}
    _start(tmp_path, PARAMS | {"datasets": datasets, "run": run})
    assert {name.partition("@")[0] for name in _repro(tmp_path)} == {
        *("draw", "code", "index", "align", "extract", "encode-text", "train", "evaluate", "report")
    }
    assert (tmp_path / "reports" / "index.html").read_text().endswith("</html>")


@pytest.mark.slow
def test_an_unchanged_graph_runs_nothing_and_a_changed_option_its_own_method(graph: Path) -> None:
    assert (graph / "reports" / "index.html").read_text().endswith("</html>")
    assert _repro(graph) == set()
    _write_params(graph, PARAMS | {"methods": PARAMS["methods"] | {"feature-mask": {"epochs": 2, "beta_div": 4.0}}})
    again = {"code", "train@untrained-feature-mask", "evaluate@untrained", "report"}
    assert _repro(graph) == again


@pytest.mark.slow
def test_a_method_without_randomness_is_trained_once_whatever_the_seeds(graph: Path) -> None:
    assert sorted(path.name for path in (graph / RUNS).iterdir()) == ["seed-0", "seed-1"]
    assert [path.name for path in (graph / "runs/untrained/linear-probe/sample-a").iterdir()] == ["seed-0"]


@pytest.mark.slow
def test_nothing_is_trained_on_a_dataset_for_tests_only_and_all_is_tested_on_it(graph: Path) -> None:
    assert {path.parent.parent.name for path in graph.rglob("run.json")} == {"sample-a"}
    scores = list((graph / "runs" / "scores").rglob("scores.json"))
    assert len(scores) == 3
    for path in scores:
        assert {score["dataset"] for score in json.loads(path.read_text())} == {"sample-a", "sample-e"}


@pytest.mark.slow
def test_a_raised_method_version_makes_the_heads_of_that_method_again(graph: Path) -> None:
    path = graph / "pipeline" / "versions.json"
    versions = json.loads(path.read_text())
    versions["methods"]["feature-mask"] += 1
    path.write_text(json.dumps(versions))
    _call(graph, "dvc", "repro", "code")
    changed = set(re.findall(r"^(\S+):$", _call(graph, "dvc", "status"), re.MULTILINE))
    assert changed == {"train@untrained-feature-mask"}


@pytest.mark.slow
def test_a_raised_package_version_is_seen_by_every_stage_that_computes(graph: Path) -> None:
    path = graph / "pipeline" / "versions.json"
    path.write_text(path.read_text().replace('"fer-stage": "', '"fer-stage": "9.'))
    changed = {name.partition("@")[0] for name in re.findall(r"^(\S+):$", _call(graph, "dvc", "status"), re.MULTILINE)}
    assert changed == {"index", "align", "extract", "encode-text", "train", "evaluate", "report"}


@pytest.mark.slow
def test_grid_points_stay_and_other_seeds_go_when_heads_are_trained_again(graph: Path) -> None:
    _call(graph, "fer-stage", "train", "--method", "feature-mask", "--dataset", "sample-a", "--grid", "beta_div=1")
    _write_params(graph, PARAMS | {"run": PARAMS["run"] | {"seeds": [1]}})
    _repro(graph)
    assert sorted(path.name for path in (graph / RUNS).iterdir()) == ["beta_div=1", "seed-1"]
    assert [path.name for path in (graph / "reports/curves" / RUNS.relative_to("runs")).iterdir()] == ["seed-1.csv"]


@pytest.mark.slow
def test_scores_are_pulled_and_shown_by_a_report_that_is_made_again(graph: Path, tmp_path: Path) -> None:
    _call(graph, "dvc", "remote", "add", "-d", "lab", str(tmp_path / "lab"))
    _commit(graph)
    _call(graph, "dvc", "push")
    clone = tmp_path / "clone"
    _call(tmp_path, "git", "clone", "--quiet", str(graph), str(clone))
    _call(clone, "dvc", "pull")
    made = (clone / "reports" / "tables" / "matrix.csv").read_text()
    shutil.rmtree(clone / "reports")
    _call(clone, "fer-stage", "report")
    assert (clone / "reports" / "tables" / "matrix.csv").read_text() == made
    assert "Not evaluated" not in (clone / "reports" / "index.html").read_text()


@pytest.mark.slow
def test_metrics_plots_and_experiments_work_after_the_first_commit(graph: Path) -> None:
    assert "failed" not in _call(graph, "dvc", "metrics", "diff")
    assert "failed" not in _call(graph, "dvc", "plots", "show")
    page = (graph / "dvc_plots" / "index.html").read_text()
    assert "reports/curves/untrained/feature-mask/sample-a/seed-1.csv" in page.replace("\\\\", "/")
    printed = _call(graph, "dvc", "exp", "run", "-S", "methods.feature-mask.beta_div=1.0")
    assert "train@untrained-feature-mask" in printed
    assert json.loads((graph / RUNS / "seed-0" / "run.json").read_text())["config"]["beta_div"] == 1.0
    _call(graph, "dvc", "exp", "run", "-S", "+methods.feature-mask.lambda_sep=0.5")
    assert json.loads((graph / RUNS / "seed-0" / "run.json").read_text())["config"]["lambda_sep"] == 0.5
    assert "failed" not in _call(graph, "dvc", "metrics", "diff")
