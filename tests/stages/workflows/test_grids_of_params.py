"""Grids in params.yaml: `dvc repro` trains the runs of an ablation, and removes former points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import stages
from stages.errors import ParamsError
from stages.params import load_params, parse_params

RUNS = Path("runs/untrained/feature-mask/sample-a")


def _with_grid(grid: Any) -> None:
    """Write a grid of feature-mask into the params.yaml of the project."""
    path = Path("params.yaml")
    params = yaml.safe_load(path.read_text())
    params.setdefault("methods", {}).setdefault("feature-mask", {}).update({"epochs": 1, "grid": grid})
    path.write_text(yaml.safe_dump(params))


def _trained(**options: Any) -> list[str]:
    stages.train("feature-mask", "sample-a", prune=True, **options)
    return sorted(path.relative_to(RUNS).as_posix() for path in RUNS.rglob("seed-*") if (path / "run.json").exists())


def test_every_point_of_every_grid_is_trained_and_former_points_go(project: Path) -> None:
    _with_grid([{"lambda_sep": [0.5, 1.5]}, {"beta_div": [1, 5], "sigmoid": [True]}])
    expected = ["beta_div=1,sigmoid=true", "beta_div=5,sigmoid=true", "lambda_sep=0.5", "lambda_sep=1.5"]
    assert _trained(seeds=0) == [f"{name}/seed-0" for name in expected]  # seed-0 of the fixture is gone
    stages.train("feature-mask", "sample-a", grid={"hidden": [16]}, seeds=0)  # instead of those of params.yaml
    assert (RUNS / "hidden=16" / "seed-0" / "run.json").exists()
    _with_grid({"lambda_sep": [1.5, 3]})
    assert _trained(seeds=0) == ["lambda_sep=1.5/seed-0", "lambda_sep=3/seed-0"]


def test_a_grid_of_the_request_removes_no_point_of_params(project: Path) -> None:
    _with_grid({"lambda_sep": [3]})
    stages.train("feature-mask", "sample-a", seeds=0)
    assert _trained(seeds=0, grid={"hidden": [16]}) == ["hidden=16/seed-0", "lambda_sep=3/seed-0", "seed-0"]


def test_an_option_that_the_grid_has_too_is_refused(project: Path) -> None:
    """Which of both holds would be a guess; the advice works."""
    _with_grid({"lambda_sep": [3]})
    with pytest.raises(
        ParamsError, match=r"--option lambda_sep: methods\.feature-mask\.grid .* with --grid lambda_sep="
    ):
        stages.train("feature-mask", "sample-a", seeds=0, options={"lambda_sep": 1.0})
    (run,) = stages.train("feature-mask", "sample-a", seeds=0, options={"hidden": 16}).runs
    assert (run.record.config["lambda_sep"], run.record.config["hidden"]) == (3.0, 16)
    (other,) = stages.train("feature-mask", "sample-a", seeds=0, grid={"lambda_sep": [1.0]}).runs
    assert other.record.config["lambda_sep"] == 1.0


def test_a_grid_is_no_option_of_the_method() -> None:
    params = parse_params({"methods": {"cafe": {"recipe": "cafe/raf-db", "grid": {"sigmoid": [True, False]}}}}, "p")
    assert "grid" not in params.options("cafe")[1]
    assert params.grids("cafe") == ({"sigmoid": [True, False]},)
    assert params.grids("scn") == ()


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"lambda": [1.0]}, ["methods.cafe", "lambda: unknown key"]),
        ({"lambda_sep": [0.5, "x"]}, ["methods.cafe", "lambda_sep", "'x'"]),
        ({"lambda_sep": 0.5}, ["methods.cafe.grid: expected options with lists of values", "{'lambda_sep': 0.5}"]),
        ({"lambda_sep": []}, ["methods.cafe.grid"]),
        ({}, ["methods.cafe.grid"]),
        ([], ["methods.cafe.grid"]),
        ("lambda_sep=1", ["methods.cafe.grid", "'lambda_sep=1'"]),
    ],
)
def test_a_grid_that_cannot_be_trained_is_refused_with_the_file(tmp_path: Path, grid: Any, words: list[str]) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"methods": {"cafe": {"grid": grid}}}))
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert all(word in str(caught.value) for word in (str(path), *words))
