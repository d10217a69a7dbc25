"""Versions of what computes numbers."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from pipeline.datasets.drawn import CLIP_GENERATOR_VERSION, GENERATOR_VERSION
from pipeline.errors import ConfigError
from pipeline.methods import method_names
from pipeline.versions import method_version, stage_version

ROOT = Path(__file__).parents[2]


def test_every_method_has_a_version_and_no_other_has() -> None:
    assert set(json.loads((ROOT / "pipeline" / "versions.json").read_text())["methods"]) == set(method_names())
    assert all(method_version(name) >= 1 for name in method_names())


def test_the_package_has_the_version_that_dvc_sees() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert json.loads((ROOT / "pipeline" / "versions.json").read_text())["fer-stage"] == package


def test_the_sample_has_the_version_of_its_generator() -> None:
    assert stage_version("sample") == GENERATOR_VERSION
    assert stage_version("sample-video") == CLIP_GENERATOR_VERSION


def test_a_method_without_a_version_is_an_error() -> None:
    with pytest.raises(ConfigError, match="expected a whole number for 'mine', found None"):
        method_version("mine")


def test_examples_see_the_same_versions() -> None:
    papers = [f"papers/{path.name}" for path in (ROOT / "examples" / "papers").iterdir() if path.is_dir()]
    for example in ("faces", "methods", "video", *papers):
        versions = ROOT / "examples" / example / "pipeline" / "versions.json"
        assert versions.resolve() == ROOT / "pipeline" / "versions.json"
