"""A real extract, real SIGKILLs: nothing finished is lost, and the resumed store is the uninterrupted one."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from separate_process import N_IMAGES, command, make_faces, run

import cache
from cache.errors import StoreIncompleteError
from cache.testing.raw import tree_bytes
from stages.remedies import as_commands

SHARD = 512
N_KILLS = 20


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    make_faces(folder)
    return folder


def _extract(backend: str) -> tuple[str, ...]:
    work = ("extract", "--dataset", "faces", "--encoder", "untrained", "--backend", backend)
    return (*work, "--format", "json", "--batch-size", "32")


class _Work:
    """An extract that is killed again and again."""

    def __init__(self, folder: Path, backend: str) -> None:
        ending = {"zarr": "zarr", "hdf5": "h5"}[backend]
        self.folder, self.command = folder, command(*_extract(backend))
        self.store = folder / "features" / "untrained" / f"faces.{ending}"
        self.building = self.store.with_name(f".{self.store.name}.building")

    def n_finished(self) -> int:
        return len(list((self.building / "records").glob("[0-9]*.json")))

    def killed_after(self, seconds: float) -> bool:
        """Start it, let it write for so long, kill it. False if it was ready before."""
        errors = self.folder / "stderr.txt"
        with (
            errors.open("w") as stderr,
            subprocess.Popen(self.command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=stderr) as process,
        ):
            while not (self.building / "plan.json").exists() and process.poll() is None:
                time.sleep(0.005)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                return True
        assert process.returncode == 0, errors.read_text()
        return False


def test_an_extract_that_is_killed_resumes_to_the_same_bytes(faces: Path, tmp_path: Path) -> None:
    """One kill, as soon as a shard is finished; the test below has twenty of them, at any moment."""
    whole = run(faces, *_extract("zarr"), "--no-reuse")
    for name in ("faces", "tables"):
        shutil.copytree(faces / name, tmp_path / name)
    work = _Work(tmp_path, "zarr")
    with subprocess.Popen(work.command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while not work.n_finished():
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
    n_finished = work.n_finished()
    assert not work.store.exists()
    with pytest.raises(StoreIncompleteError, match=rf"{n_finished} of 5 shards"):
        cache.open(work.store)
    resumed = run(tmp_path, *_extract("zarr"))
    assert resumed["reused"] >= min(n_finished * SHARD, N_IMAGES - SHARD)
    assert resumed["encoded"] + resumed["reused"] == N_IMAGES
    assert tree_bytes(work.store) == tree_bytes(faces / whole["path"])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["zarr", "hdf5"])
def test_an_extract_killed_at_any_moment_resumes_to_the_same_bytes(faces: Path, tmp_path: Path, backend: str) -> None:
    """Twenty moments drawn from the whole of an extract's work; each kill is followed by the extract that resumes."""
    whole = run(faces, *_extract(backend), "--no-reuse")
    expected = tree_bytes(faces / whole["path"])
    shutil.copytree(faces / "faces", tmp_path / "faces")
    shutil.copytree(faces / "tables", tmp_path / "tables")
    work, rng = _Work(tmp_path, backend), np.random.default_rng(0)
    n_kills = n_resumed = 0
    longest = whole["seconds"]
    while n_kills < N_KILLS:
        before, moment = work.n_finished(), rng.uniform(0, longest)
        if work.killed_after(moment) and not work.store.exists():
            n_kills += 1
            assert work.n_finished() >= before  # what was finished stays finished
            n_resumed += work.n_finished() > 0
            with pytest.raises(StoreIncompleteError, match=rf"{work.n_finished()} of 5 shards") as incomplete:
                cache.open(work.store)
            assert f"{work.n_finished()} of 5 shards. Run `fer-stage extract" in as_commands(incomplete.value)
        elif work.store.exists():
            longest = longest if before else max(moment, 0.1)  # the machine was busier when the whole was measured
            assert tree_bytes(work.store) == expected
            work.store.unlink() if work.store.is_file() else shutil.rmtree(work.store)
    assert n_resumed >= N_KILLS / 4
    finished = [shard for shard in range(5) if (work.building / f"records/{shard:06d}.json").exists()]
    n_left = N_IMAGES - sum(min(SHARD, N_IMAGES - shard * SHARD) for shard in finished)
    resumed = run(tmp_path, *_extract(backend))
    assert (resumed["encoded"], resumed["reused"]) == (n_left, N_IMAGES - n_left)
    assert tree_bytes(work.store) == expected
    assert [path.name for path in work.store.parent.iterdir() if path.name.endswith("building")] == []


def test_two_extracts_at_once_one_works_and_the_other_is_told(faces: Path, tmp_path: Path) -> None:
    shutil.copytree(faces / "faces", tmp_path / "faces")
    shutil.copytree(faces / "tables", tmp_path / "tables")
    first = subprocess.Popen(command(*_extract("zarr")), cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    plan = tmp_path / "features" / "untrained" / ".faces.zarr.building" / "plan.json"
    while not plan.exists():
        assert first.poll() is None
        time.sleep(0.005)
    second = subprocess.run(command(*_extract("zarr")), cwd=tmp_path, capture_output=True, text=True, check=False)
    out, _ = first.communicate(timeout=120)
    assert json.loads(out)["encoded"] == N_IMAGES
    if second.returncode:  # the first was still at work when the second asked
        assert second.returncode == 1
        assert "another process writes it" in second.stderr
        assert f'"pid": {first.pid}' in second.stderr
    else:
        assert json.loads(second.stdout)["encoded"] == 0
