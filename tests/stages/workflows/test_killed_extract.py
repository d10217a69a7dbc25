"""A real extract, real SIGKILLs: nothing finished is lost, and the resumed store is the uninterrupted one."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from separate_process import ENCODER, FEATURES, N_IMAGES, command, make_faces, run
from warm_process import WarmProcess

import cache
from cache.backends import BACKENDS
from cache.errors import StoreIncompleteError
from cache.places.lock import lock_path
from cache.testing.raw import tree_bytes
from stages.remedies import as_commands

SHARD = 512
N_KILLS = 20


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    make_faces(folder)
    return folder


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmProcess]:
    with WarmProcess.started() as process:
        yield process


def _copy(faces: Path, folder: Path) -> None:
    """Everything but stores."""
    shutil.copytree(faces, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(FEATURES.parts[0]))


def _extract(backend: str) -> tuple[str, ...]:
    work = ("extract", "--dataset", "faces", "--encoder", ENCODER, "--backend", backend)
    return (*work, "--format", "json", "--batch-size", "32")


class _Work:
    """An extract that is killed again and again."""

    def __init__(self, folder: Path, backend: str) -> None:
        self.folder = folder
        self.store = folder / FEATURES / f"faces{BACKENDS[backend].suffix}"
        self.building = self.store.with_name(f".{self.store.name}.building")

    def n_finished(self) -> int:
        return len(list((self.building / "records").glob("[0-9]*.json")))

    def n_rows_left(self) -> int:
        finished = [shard for shard in range(5) if (self.building / f"records/{shard:06d}.json").exists()]
        return N_IMAGES - sum(min(SHARD, N_IMAGES - shard * SHARD) for shard in finished)

    def _is_written_by(self, pid: int) -> bool:
        """Whether a process is at work: it takes the lock when all that it needs is imported, and then plans."""
        if not (self.building / "plan.json").exists():
            return False
        try:
            return re.search(rf'"pid": {pid}\b', lock_path(self.store).read_text()) is not None
        except FileNotFoundError:
            return False

    def killed_after(self, seconds: float, warm: WarmProcess, words: Sequence[str]) -> bool:
        """Start it, let it write for so long, kill it. False if it was ready before."""
        output = self.folder / "output.txt"
        pid, code = warm.begin(self.folder, words, output), None
        while not self._is_written_by(pid) and code is None:
            code = warm.code(0.005)
        if code is None:
            code = warm.code(seconds)
        if code is None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            assert warm.code(60) in (-signal.SIGKILL, 0)  # or it was ready just now
            return True
        assert code == 0, output.read_text()
        return False


@pytest.fixture
def project(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The faces without their store, as the current folder."""
    _copy(faces, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_extract_that_is_killed_resumes_to_the_same_bytes(project: Path, fer_stage: Callable[..., Any]) -> None:
    """One kill, as soon as a shard is finished; the test below has twenty of them, at any moment."""
    work = _Work(project, "zarr")
    with subprocess.Popen(command(*_extract("zarr")), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not work.n_finished():
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
    n_finished, n_left = work.n_finished(), work.n_rows_left()
    with pytest.raises(StoreIncompleteError, match=rf"{n_finished} of 5 shards"):
        cache.open(work.store)
    resumed = fer_stage(*_extract("zarr"))
    assert (resumed["encoded"], resumed["reused"]) == (n_left, N_IMAGES - n_left)
    left = tree_bytes(work.store)
    shutil.rmtree(work.store)
    assert fer_stage(*_extract("zarr"), "--no-reuse")["encoded"] == N_IMAGES
    assert tree_bytes(work.store) == left


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["zarr", "hdf5"])
def test_an_extract_killed_at_any_moment_resumes_to_the_same_bytes(
    faces: Path, warm: WarmProcess, tmp_path: Path, backend: str
) -> None:
    """Twenty moments drawn from the whole of an extract's work; each kill is followed by the extract that resumes."""
    whole = run(faces, *_extract(backend), "--no-reuse")
    expected = tree_bytes(faces / whole["path"])
    _copy(faces, tmp_path)
    work, rng = _Work(tmp_path, backend), np.random.default_rng(0)
    n_kills = n_resumed = 0
    longest = whole["seconds"]
    while n_kills < N_KILLS:
        before, moment = work.n_finished(), rng.uniform(0, longest)
        if work.killed_after(moment, warm, _extract(backend)) and not work.store.exists():
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
    n_left = work.n_rows_left()
    resumed = run(tmp_path, *_extract(backend))
    assert (resumed["encoded"], resumed["reused"]) == (n_left, N_IMAGES - n_left)
    assert tree_bytes(work.store) == expected
    assert [path.name for path in work.store.parent.iterdir() if path.name.endswith("building")] == []


@pytest.mark.slow
def test_of_two_extracts_at_once_one_works_and_one_is_refused(project: Path, fer_stage: Callable[..., Any]) -> None:
    """The first is held while it works: it cannot be ready before the second asks."""
    first = subprocess.Popen(command(*_extract("zarr")), stdout=subprocess.PIPE, text=True)
    plan = project / FEATURES / ".faces.zarr.building" / "plan.json"
    while not plan.exists():
        assert first.poll() is None
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)
    try:
        message = fer_stage(*_extract("zarr"), code=1)
    finally:
        first.send_signal(signal.SIGCONT)
    out, _ = first.communicate(timeout=120)
    assert "another process writes it" in message
    assert f'"pid": {first.pid}' in message
    assert json.loads(out)["encoded"] == N_IMAGES
