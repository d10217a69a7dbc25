"""What several rooms' tests share: running a command, one small finished project, and an S3 server."""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from pipeline.methods.own import declare_methods
from stages.cli import run

# With pytest-xdist every core has a worker of its own: more threads of torch would wait for each other, and busily.
# Before anything imports torch; commands that run as processes of their own inherit it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program does

# Hundreds of commands start as processes of their own, which find our modules compiled; workers find those of tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Tests import onnxruntime themselves: it would leave an id of the machine in the home of whoever runs them.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# Else each `dvc` starts two more processes, that report its use and ask for a newer version.
os.environ["DVC_TEST"] = "1"

# What encoders were is recorded in the user's cache folder: tests have one of their own, commands that they start too.
# The hub's cache stays where it is.
_CACHES = tempfile.TemporaryDirectory(prefix="fer-stage-tests-")
atexit.register(_CACHES.cleanup)
os.environ.setdefault("HF_HOME", str(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "huggingface")))
os.environ["XDG_CACHE_HOME"] = _CACHES.name

# Time is no promise of a test: a busy machine is not a failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# The contract ships: outside of test files, pytest explains the asserts of registered modules only.
pytest.register_assert_rewrite("cache.testing")

from cache.testing.s3_server import S3Server  # noqa: E402  # after the line above, which must see it first


def pytest_collection_finish() -> None:
    """Of 13,000 tests the garbage collector would look at everything in each of its rounds, in vain."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture(autouse=True)
def _no_methods_of_other_tests() -> Iterator[None]:
    """A command that runs in this process declares the methods of its params.yaml for the rest of the process."""
    yield
    declare_methods({})


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server, for all tests that ask for one."""
    with S3Server.started() as server:
        yield server


@pytest.fixture
def fer_stage(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command line in this process; it must succeed. Returns its JSON if it was asked for, else its text."""

    def call(*args: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert run(list(args)) == code, capsys.readouterr().err
        captured = capsys.readouterr()
        if code:
            return captured.err
        return json.loads(captured.out) if "json" in args else captured.out

    return call


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn datasets, indexed and extracted, text encoded, one head trained and evaluated."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "params.yaml").write_text(PARAMS)
    with contextlib.chdir(folder):
        for dataset in ("sample-a", "sample-e"):
            assert run(["index", "--dataset", dataset]) == 0
            assert run(["extract", "--dataset", dataset, "--decoders", "1"]) == 0
        assert run(["encode-text"]) == 0
        assert run(["train", "--method", "feature-mask", "--dataset", "sample-a"]) == 0
        assert run(["evaluate", "--run", "runs/untrained/feature-mask/sample-a/seed-0"]) == 0
    return folder


@pytest.fixture
def project(finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished project, as the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(finished_project, folder)
    monkeypatch.chdir(folder)
    return folder
