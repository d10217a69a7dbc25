"""Every command that writes, killed at 20 moments and run twice at once: all is whole, and a new run completes it.

Moments are spread over all changes that the command makes on disk; SIGKILL comes just before one.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from cache.errors import CacheError
from cache.upkeep.integrity import verify

pytestmark = pytest.mark.slow

N_MOMENTS, N_PAIRS = 20, 4
RUN = "runs/untrained/feature-mask/sample-a/seed-0"
STORE = "features/untrained/sample-a.zarr"
OPTIONS = ["--option", "epochs=2"]
TRAIN = ["train", "--method", "feature-mask", "--dataset", "sample-e", *OPTIONS]
# Command, and what must be done in the project before it.
COMMANDS: dict[str, tuple[list[str], list[list[str]]]] = {
    "draw": (["draw", "--style", "sample-b", "--images", "60", "--quiet"], []),
    "index": (["index", "--dataset", "sample-a"], []),
    "index of what is not drawn yet": (["index", "--dataset", "sample-c"], []),
    "align": (["align", "--dataset", "sample-a", "--limit", "6", "--max-rejected", "1", "--threads", "1"], []),
    "extract": (["extract", "--dataset", "sample-a", "--views", "2", "--decoders", "1"], []),
    "encode-text": (["encode-text", "--prompts", "clip"], []),
    "train": (TRAIN, []),
    "train again": (TRAIN, [[*TRAIN[:-1], "epochs=1"]]),
    "evaluate": (
        ["evaluate", "--run", RUN, "--dataset", "sample-e"],
        [["train", "--method", "feature-mask", "--dataset", "sample-a", "--option", "epochs=1"]],
    ),
    "report": (["report"], [["report"]]),
    "head export": (["head", "export", "--run", RUN, "--out", "out/head"], []),
    "convert": (["store", "convert", STORE, "features/untrained/copy.h5"], []),
    "gc": (
        ["store", "gc", "--unreferenced"],
        [["extract", "--dataset", f"sample-{style}", "--limit", "12", "--quiet"] for style in "ae"],
    ),
}


@pytest.fixture(scope="module")
def warm(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """The process that all tries are forked from."""
    program = Path(__file__).with_name("interrupted_command.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    errors = tmp_path_factory.mktemp("warm") / "stderr.txt"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, str(program), str(finished_project)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            text=True,
        ) as process,
    ):
        yield process
        process.communicate(timeout=60)
    assert process.returncode == 0, errors.read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_leaves_whole_files_and_two_at_once_do_not_meet(
    name: str, warm: subprocess.Popen[str], tmp_path: Path
) -> None:
    """A kill leaves what every reader takes, and the next run makes all of it; the same for two runs at once."""
    tries = _tries(name, warm, tmp_path)
    _require_all_is_finished([found for found in tries if found["kind"] == "killed"])
    _require_both_end_well([found for found in tries if found["kind"] == "pair"])


def _tries(name: str, warm: subprocess.Popen[str], work: Path) -> list[dict[str, Any]]:
    """What became of each try of one command."""
    command, prepare = COMMANDS[name]
    task = {"work": str(work), "command": command, "prepare": prepare, "moments": N_MOMENTS, "pairs": N_PAIRS}
    assert warm.stdin is not None
    assert warm.stdout is not None
    timer = threading.Timer(900, warm.kill)
    timer.start()
    print(json.dumps(task), file=warm.stdin, flush=True)
    lines = list(itertools.takewhile(str.strip, warm.stdout))
    timer.cancel()
    return [json.loads(line) | {"whole": str(work / "whole")} for line in lines]


def _require_all_is_finished(killed: list[dict[str, Any]]) -> None:
    assert len(killed) == N_MOMENTS
    for found in killed:
        assert found["killed"] == -signal.SIGKILL, found
        assert list(_damaged(Path(found["left"]))) == [], found
        assert found["code"] == 0, found
        assert _contents(Path(found["folder"])) == _contents(Path(found["whole"])), found


def _require_both_end_well(pairs: list[dict[str, Any]]) -> None:
    assert len(pairs) == N_PAIRS
    for found in pairs:
        assert 0 in found["codes"], found
        for code, text in zip(found["codes"], found["texts"], strict=True):
            assert "Traceback" not in text, text
            assert code == 0 or "another process writes it" in text, found
        assert list(_damaged(Path(found["folder"]))) == []
        assert _contents(Path(found["folder"])) == _contents(Path(found["whole"])), found


def _damaged(project: Path) -> Iterator[str]:
    """Outputs that no reader of their kind can read; hidden names are no outputs."""
    for path in _outputs(project):
        try:
            _READERS.get(path.suffix, lambda data: None)(path.read_bytes())
        except (ValueError, OSError, EOFError) as error:
            yield f"{path}: {error}"
    for path in (project / "features" / "untrained").iterdir():
        if path.suffix in (".zarr", ".h5") and not path.name.startswith("."):
            try:
                yield from (f"{path}: {problem}" for problem in verify(path))
            except CacheError as error:
                yield f"{path}: {error}"


def _page(data: bytes) -> None:
    if not data.rstrip().endswith(b"</html>"):
        raise ValueError("half a page")


_READERS: dict[str, Callable[[bytes], object]] = {
    ".json": json.loads,
    ".parquet": lambda data: pq.read_table(io.BytesIO(data)),
    ".scan": lambda data: pq.read_table(io.BytesIO(data)),
    ".npz": lambda data: np.load(io.BytesIO(data))["vectors"],
    ".html": _page,
}


def _outputs(project: Path) -> list[Path]:
    """Files whose own name, and that of each of their folders, is not hidden."""
    files = (path for path in sorted(project.rglob("*")) if path.is_file())
    return [path for path in files if not any(part.startswith(".") for part in path.relative_to(project).parts)]


def _contents(project: Path) -> dict[str, object]:
    """File -> what must be equal in two runs: no times, no page with a date, no record of when files were read."""
    outputs = (path for path in _outputs(project) if path.suffix != ".scan")
    return {str(path.relative_to(project)): _lasting(path) for path in outputs}


def _lasting(path: Path) -> object:
    if path.suffix == ".html":
        return "a page"
    if path.suffix == ".md" or path.name in ("history.csv", "head.json", "metrics.json"):
        return "numbers of a clock, or of the order of sums"
    if path.name in ("run.json", "scores.json"):
        return _without_times(json.loads(path.read_bytes()))
    if path.name == "record.json":  # of the report: it has the digest of the page, which has a date
        record = json.loads(path.read_bytes())
        return record | {"written": {name: of for name, of in record["written"].items() if name != "index.html"}}
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    return path.read_bytes()


def _without_times(record: Any) -> Any:
    if isinstance(record, list):
        return [_without_times(item) for item in record]
    return {name: value for name, value in record.items() if name not in ("seconds", "versions")}
