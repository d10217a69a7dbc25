"""One small project, made once by the commands themselves; tests that change it get a copy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from stages.cli import run

PARAMS = """
sample: {version: 1, images: 60, seed: 0}
datasets:
  sample-a: {layout: sample, root: data/sample-a}
  sample-e: {layout: sample, root: data/sample-e}
encoders: {untrained: untrained}
extract: {dtype: float32}
methods:
  feature-mask: {epochs: 3, lambda_sep: 1.5}
  kefer: {epochs: 2}
run:
  samples: [sample-a, sample-e]
  datasets: [sample-a, sample-e]
  encoders: [untrained]
  methods: [linear-probe, feature-mask]
"""


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn datasets, indexed and extracted, text encoded, one head trained and evaluated."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "params.yaml").write_text(PARAMS)
    before = Path.cwd()
    os.chdir(folder)
    try:
        for dataset in ("sample-a", "sample-e"):
            assert run(["index", "--dataset", dataset]) == 0
            assert run(["extract", "--dataset", dataset, "--decoders", "1"]) == 0
        assert run(["encode-text"]) == 0
        assert run(["train", "--method", "feature-mask", "--dataset", "sample-a"]) == 0
        assert run(["evaluate", "--run", "runs/untrained/feature-mask/sample-a/seed-0"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def project(finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished project, as the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(finished_project, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, without params.yaml."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
