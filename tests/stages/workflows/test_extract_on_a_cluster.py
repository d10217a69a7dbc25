"""extract on several processes: the same bytes as one, whoever dies on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from separate_process import ENCODER, FEATURES, N_IMAGES, command, make_faces, put_encoder, run

from cache.testing.raw import tree_bytes

EXTRACT = (
    "extract",
    "--dataset",
    "faces",
    "--encoder",
    ENCODER,
    "--batch-size",
    "32",
    "--format",
    "json",
)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of many tiny pictures, as one process makes it."""
    folder = tmp_path_factory.mktemp("cluster")
    make_faces(folder)
    assert run(folder, *EXTRACT, "--decoders", "1")["encoded"] == N_IMAGES
    return folder


@pytest.fixture
def empty(faces: Path, tmp_path: Path) -> Path:
    """The same project without its store."""
    shutil.copytree(faces, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(FEATURES.parts[0]))
    return tmp_path


def store_bytes(folder: Path) -> dict[str, bytes]:
    return tree_bytes(folder / FEATURES / "faces.zarr")


def test_two_workers_make_the_same_bytes(faces: Path, empty: Path) -> None:
    summary = run(empty, *EXTRACT, "--workers", "2")
    assert (summary["encoded"], summary["reused"], summary["rejected"]) == (N_IMAGES, 0, 0)
    assert store_bytes(empty) == store_bytes(faces)


@pytest.mark.slow
def test_a_lost_worker_costs_nothing_but_time(faces: Path, empty: Path) -> None:
    """SIGKILL to a worker as soon as the first shard is finished; its shard is made by another."""
    process = subprocess.Popen(
        command(*EXTRACT, "--workers", "2"), cwd=empty, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    records = empty / FEATURES / ".faces.zarr.building" / "records"
    wait_until(lambda: records.is_dir() and any(records.glob("*.json")), process)
    victims = workers_of(process.pid)
    assert len(victims) == 2
    os.kill(victims[0], signal.SIGKILL)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert json.loads(out)["encoded"] == N_IMAGES
    assert store_bytes(empty) == store_bytes(faces)


def test_images_that_all_fail_for_one_reason_end_the_work_of_all_workers(tmp_path: Path) -> None:
    put_encoder(tmp_path)
    (tmp_path / "faces" / "anger").mkdir(parents=True)
    for i in range(70):
        (tmp_path / "faces" / "anger" / f"{i:03d}.png").write_bytes(b"no picture %d" % i)
    message = run(tmp_path, *EXTRACT, "--layout", "folder", "--root", "faces", "--workers", "2", code=1)
    assert "the first 64 are all rejected for one reason (anger/000.png: not an image)" in message


@pytest.mark.slow
def test_workers_in_another_folder_load_an_encoder_of_a_file(faces: Path, empty: Path, scheduler: str) -> None:
    """By two workers of the command's own, and by one that was started elsewhere: the paths are relative here."""
    for options in (("--workers", "2", "--decoders", "2"), ("--scheduler", scheduler)):
        run(empty, *EXTRACT, *options)
        assert store_bytes(empty) == store_bytes(faces)
        shutil.rmtree(empty / "features")


@pytest.mark.slow
def test_a_running_cluster_can_be_joined(empty: Path, scheduler: str) -> None:
    named = ["untrained" if word == ENCODER else word for word in (*EXTRACT, "--limit", "600")]  # two shards
    stores = []
    for options in ((), ("--scheduler", scheduler)):
        stores.append(tree_bytes(empty / run(empty, *named, *options)["path"]))
        shutil.rmtree(empty / "features")
    assert stores[0] == stores[1]


def test_a_scheduler_that_does_not_answer_is_named(empty: Path) -> None:
    error = run(empty, *EXTRACT, "--scheduler", "tcp://127.0.0.1:9", code=1)
    assert "no dask scheduler answers at tcp://127.0.0.1:9" in error


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """`dask scheduler` and one `dask worker`, as an administrator starts them."""
    dask = [sys.executable, "-m", "dask"]
    address_file = tmp_path / "scheduler.json"
    started = [
        subprocess.Popen(
            [
                *dask,
                "scheduler",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--no-dashboard",
                "--scheduler-file",
                address_file,
            ],
            stderr=subprocess.DEVNULL,
        )
    ]
    try:
        wait_until(lambda: address_file.exists() and address_file.read_text().endswith("}"), started[0])
        worker = [*dask, "worker", "--scheduler-file", str(address_file), "--nthreads", "1", "--no-dashboard"]
        started.append(
            subprocess.Popen([*worker, "--local-directory", str(tmp_path / "dask")], stderr=subprocess.DEVNULL)
        )
        yield json.loads(address_file.read_text())["address"]
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def wait_until(condition: object, process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, "it ended before it could be waited for"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def workers_of(pid: int) -> list[int]:
    """Processes below `pid` that dask spawned as workers."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            line = (status.parent / "cmdline").read_text()
        except OSError:
            continue
        if int(lines["PPid"]) == pid and "spawn_main" in line:
            found.append(int(status.parent.name))
    return sorted(found)
