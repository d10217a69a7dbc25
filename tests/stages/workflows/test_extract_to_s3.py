"""The whole way with features on a real S3 server: extract, ask, train, score; and a server that stops on the way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from separate_process import ENCODER, put_encoder, run

import cache
from cache.testing.raw import tree_bytes
from cache.testing.s3_server import S3Blobs, S3Server

EXTRACT = ("extract", "--dataset", "sample-e", "--decoders", "1", "--format", "json")
OF_A_FILE = (*EXTRACT, "--encoder", ENCODER)


@pytest.fixture
def server(s3: S3Server) -> Iterator[S3Server]:
    yield s3
    s3.gate.open()


@pytest.fixture
def features(server: S3Server, tmp_path: Path) -> str:
    return f"s3://{server.bucket}/{tmp_path.name}/features"


@pytest.fixture(scope="module")
def local(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The store of `OF_A_FILE` in a folder."""
    folder = tmp_path_factory.mktemp("local") / "project"
    shutil.copytree(finished_project, folder)
    put_encoder(folder)
    return tree_bytes(folder / run(folder, *OF_A_FILE)["path"])


def fer_stage(server: S3Server, *args: str, code: int = 0) -> Any:
    """In a process of its own: a client of a stopped server leaves tasks behind that only its end clears."""
    return run(Path.cwd(), *args, code=code, env=server.variables)


def bytes_on(server: S3Server, path: str) -> dict[str, bytes]:
    with server.environment():
        return S3Blobs().tree(cache.open(path).path)


def test_the_whole_way_with_features_on_s3(project: Path, server: S3Server, features: str) -> None:
    local = tree_bytes(project / "features" / "untrained" / "sample-e.zarr")
    shutil.rmtree("features")
    there = ("--features", features)
    summary = fer_stage(server, *EXTRACT, *there)
    assert (summary["encoded"], summary["path"]) == (60, f"{features}/untrained/sample-e.zarr")
    assert bytes_on(server, summary["path"]) == local
    assert fer_stage(server, *EXTRACT, *there)["encoded"] == 0
    assert len(fer_stage(server, "query", summary["path"], "--limit", "3", "--format", "json")) == 3
    fer_stage(server, "train", "--method", "linear-probe", "--dataset", "sample-e", *there)
    run = "runs/untrained/linear-probe/sample-e/seed-0"
    scores = fer_stage(server, "evaluate", "--run", run, "--dataset", "sample-e", *there, "--format", "json")
    assert scores[0]["dataset"] == "sample-e"
    assert not Path("features").exists()


@pytest.mark.parametrize("n_requests", [10, 60, 110])
def test_a_server_that_stops_costs_no_finished_shard(
    project: Path, server: S3Server, features: str, local: dict[str, bytes], n_requests: int
) -> None:
    put_encoder(project)
    shutil.rmtree("features")
    server.gate.shut_after(n_requests)
    message = fer_stage(server, *OF_A_FILE, "--features", features, code=1)
    assert "cannot be reached" in message
    assert "run the same command again: finished shards are kept" in message
    server.gate.open()
    summary = fer_stage(server, *OF_A_FILE, "--features", features)
    assert bytes_on(server, summary["path"]) == local


def test_hdf5_on_s3_is_refused_before_any_image_is_read(project: Path, server: S3Server, features: str) -> None:
    shutil.rmtree("data")
    message = fer_stage(server, *EXTRACT, "--features", features, "--backend", "hdf5", code=1)
    assert "Use --backend zarr there" in message
