"""examples/papers: what each would run, and that it is what the published tables are of."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from documented import ROOT, environment

from pipeline.methods import config_class
from pipeline.published import FILE, published_claims
from stages.params import Params, load_params, parse_method
from stages.recipes import load_recipe
from stages.workflows.sweep import grid_variants

PAPERS = ROOT / "examples" / "papers"
NAMES = sorted(path.parent.name for path in PAPERS.glob("*/params.yaml"))
# `dvc repro --dry` of many projects in one process.
_DRY_RUNS = """
import json, os, sys
from dvc.repo import Repo
for name in json.loads(sys.argv[1]):
    os.chdir(name)
    print("RESULT", json.dumps({name: [stage.addressing for stage in Repo(".").reproduce(dry=True, force=True)]}))
"""


def _params(name: str) -> Params:
    return load_params(PAPERS / name / "params.yaml")


def _points(params: Params, method: str) -> list[dict[str, Any]]:
    return [dict(point.options) for grid in params.grids(method) or ({},) for point in grid_variants(grid)]


@cache
def _published(method: str, recipe: str, changes: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    options = {**load_recipe(recipe).options, **dict(changes), "pretrained": ""}
    fields = config_class(method).model_fields
    return parse_method(method, {name: value for name, value in options.items() if name in fields}).model_dump()


def _fits(params: Params, claim: Any) -> bool:
    """Whether the project trains what a published value is of."""
    if claim.ours not in params.run.methods or not {*claim.trains} & {*params.run.train}:
        return False
    if not {*claim.test_set.datasets} & {*params.run.datasets}:
        return False
    specs = {params.encoders[name] for name in params.run.encoders}
    if claim.encoders and not specs & {*claim.encoders}:
        return False
    expected = _published(claim.ours, claim.recipe, tuple(claim.options.items()))
    own = params.options(claim.ours)[1]
    configs = [parse_method(claim.ours, {**own, **point}).model_dump() for point in _points(params, claim.ours)]
    if claim.options.get("pretrained") == FILE:
        configs = [config for config in configs if config["pretrained"]]
    return any(
        {**config, "pretrained": expected.get("pretrained")} == {**expected, "pretrained": expected.get("pretrained")}
        for config in configs
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_trains_what_its_table_has(name: str) -> None:
    """The values that a project is of are in the table that it is named after."""
    params = _params(name)
    tables = {(claim.paper, claim.table) for claim in published_claims() if _fits(params, claim)}
    paper = {"cafe": "CAFE", "cliper": "CLIPER", "kefer": "KE-FER"}[name.partition("-")[0]]
    assert {of for of, _ in tables} == {paper}
    if number := re.search(r"table-(\d)", name):
        roman = ("", "I", "II", "III", "IV", "V")
        table = roman[int(number[1])] if paper == "CLIPER" else number[1]
        assert (paper, table) in tables


@pytest.mark.parametrize("name", NAMES)
def test_each_keeps_what_its_methods_read_and_names_the_encoder_of_the_paper(name: str) -> None:
    params = _params(name)
    for method in params.run.methods:
        config = params.method(method)
        assert {*config.reads} <= {"pooled", *params.extract.outputs}, method
        recipe = load_recipe(params.options(method)[0])
        assert recipe.extract.get("pixel_size", 224) == params.extract.pixel_size
        assert recipe.extract.get("resize", params.extract.resize) == params.extract.resize
    assert set(params.datasets) == set(params.run.datasets)
    assert all(
        spec.startswith("open_clip:ViT-B-") and spec.endswith("-quickgelu/openai") for spec in params.encoders.values()
    )
    assert all(config_class(method).is_trained or method == "zero-shot" for method in params.run.methods)


def _copy(folder: Path, name: str) -> Path:
    """The files of a project that DVC reads, in a repository of its own."""
    project = folder / name
    for file in ("dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", "pipeline/versions.json", ".dvc/config"):
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PAPERS / name / file, project / file)
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    return project


def _dry_runs(projects: list[Path]) -> dict[str, Any]:
    command = [sys.executable, "-c", _DRY_RUNS, json.dumps([str(path) for path in projects])]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            results |= json.loads(line.removeprefix("RESULT "))
    return {Path(path).name: result for path, result in results.items()}


@pytest.mark.dvc
def test_a_dry_run_lists_every_stage_where_no_set_is_there(tmp_path: Path) -> None:
    """`dvc repro --dry --force`: without --force DVC looks for files that earlier stages would write."""
    projects = [_copy(tmp_path, name) for name in NAMES]
    for name, would_run in _dry_runs(projects).items():
        params = _params(name)
        (encoder,) = params.run.encoders
        expected = {
            "code",
            *(f"index@{dataset}" for dataset in params.run.datasets),
            *(f"extract@{encoder}-{dataset}" for dataset in params.run.datasets),
            *(f"train@{encoder}-{method}" for method in params.run.methods),
            f"evaluate@{encoder}",
            "report",
        }
        assert expected <= {*would_run}, name
    assert not [path for project in projects for path in project.iterdir() if path.name in ("data", "dvc.lock")]
