"""Every command of a small project, watched: it writes to folders that it names and to the temporary folder only."""

from __future__ import annotations

import getpass
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PARAMS = """
datasets: {faces: {layout: sample, root: data}}
encoders: {untrained: untrained}
run: {samples: [], datasets: [faces], encoders: [untrained], methods: [linear-probe], seeds: [0]}
methods: {linear-probe: {}}
"""
RUN = "runs/untrained/linear-probe/faces/seed-0"
STORE = "features/untrained/faces.zarr"
COMMANDS = (
    "init out/lab --dataset faces --layout folder --no-git",
    "datasets",
    "code",
    "draw --style sample-d --images 60 --out data",
    "draw --group 3 --out data/group.png",
    "index --dataset faces",
    "audit faces --kinds bytes --contact-sheet out/pairs.png --pairs out/pairs.csv",
    "audit faces --dry-run --max-bits 0",
    "align --dataset faces --contact-sheet out/sheet.png",
    "extract --dataset faces --encoder untrained --outputs pooled,pixels",
    "encode-text --encoder untrained",
    "recipes",
    "train --method linear-probe --dataset faces --encoder untrained --curves out/curves",
    f"evaluate --run {RUN}",
    f"head export --run {RUN} --out out/head",
    "predict data/group.png --annotate out/shown",
    "report",
    f"query {STORE} --near a00000 --output out/near.npy",
    "store ls",
    f"store info {STORE}",
    f"store verify {STORE} --deep",
    "store why faces",
    f"store convert {STORE} out/faces.h5",
    f"store export {STORE} --output out/all.parquet",
    f"store pin {STORE}",
    "store gc",
)
FOLDERS = ("audits", "data", "tables", "faces", "features", "runs", "reports", "out")

# Runs the commands in one process and writes down what they opened: [command, event, path, is it for writing].
WATCHER = """
import json, os, sys
events, current = [], [""]
CHANGES = ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.chown", "os.utime", "os.setxattr")
PAIRS = ("os.rename", "os.link")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

def note(event, path, writes=True, folder=-1):
    if not (isinstance(path, (str, bytes)) or hasattr(path, "__fspath__")):
        return  # a number: of a file that was opened before
    base = os.readlink(f"/proc/self/fd/{folder}") if isinstance(folder, int) and folder >= 0 else os.getcwd()
    parent, name = os.path.split(os.path.join(base, os.fsdecode(path)))
    if not parent.startswith(("/proc", "/dev", "/sys")):
        events.append([current[0], event, os.path.join(os.path.realpath(parent), name), writes])

def watch(event, args):
    if event == "open":
        path, mode, flags = args
        note(event, path, bool(set(mode or "") & set("wax+")) or bool(flags & WRITING))
    elif event in CHANGES:
        note(event, args[0], folder=args[-1] if event in ("os.mkdir", "os.remove", "os.rmdir") else -1)
    elif event in PAIRS:
        note(event, args[0], folder=args[2])
        note(event, args[1], folder=args[3])
    elif event == "os.symlink":
        note(event, args[1], folder=args[2])
    elif event == "sqlite3.connect":
        note(event, args[0])
    elif event == "socket.connect":
        events.append([current[0], event, str(args[1]), True])

sys.addaudithook(watch)
from stages.cli import run
for line in json.loads(sys.argv[1]):
    current[0] = line
    if code := run(line.split()):
        print(f"{line}: exit code {code}", file=sys.stderr)
current[0] = "end"
json.dump(events, open(sys.argv[2], "w"))
"""

Event = tuple[str, str, str, bool]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    """A folder with `project`, `home` and `temporary`, and what the commands did there."""
    folder = tmp_path_factory.mktemp("watched").resolve()
    for name in ("project", "home", "temporary"):
        (folder / name).mkdir()
    (folder / "project/params.yaml").write_text(PARAMS)
    commands = list(COMMANDS)
    if all(map(importlib.util.find_spec, ("onnx", "onnxscript", "onnxruntime"))):
        commands.append(f"head export --run {RUN} --out out/onnx --onnx")
    away = ("XDG_", "HF_", "MPLCONFIGDIR", "CI", "ORT_", "TMPDIR", "TORCH")  # places and switches of libraries
    environment = {name: value for name, value in os.environ.items() if not name.startswith(away)}
    environment |= {"HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-B", "-c", WATCHER, json.dumps(commands), str(folder / "events.json")],
        cwd=folder / "project",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "exit code" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
    events: list[Any] = json.loads((folder / "events.json").read_text())
    return folder, [tuple(event) for event in events if event[0] != "end"]


def test_commands_write_to_named_folders_and_the_temporary_folder(watched: tuple[Path, list[Event]]) -> None:
    folder, events = watched
    inside = (*(f"{folder}/project/{name}" for name in FOLDERS), f"{folder}/temporary")
    files = [event for event in events if event[3] and event[1] != "socket.connect"]
    assert len(files) > 100
    outside = [
        event for event in files if not any(event[2] == place or event[2].startswith(f"{place}/") for place in inside)
    ]
    assert outside == []


def test_the_project_has_the_named_folders_and_nothing_else(watched: tuple[Path, list[Event]]) -> None:
    """Libraries in C are not seen by the watcher, their files are."""
    folder, _ = watched
    assert {path.name for path in (folder / "project").iterdir()} == {"params.yaml", *FOLDERS}
    assert {path.name for path in (folder / "temporary").iterdir()} <= {f"torchinductor_{getpass.getuser()}"}


def test_nothing_is_left_in_the_home_of_the_user(watched: tuple[Path, list[Event]]) -> None:
    folder, _ = watched
    assert sorted(folder.joinpath("home").rglob("*")) == []


def test_of_the_home_only_documented_caches_are_read(watched: tuple[Path, list[Event]]) -> None:
    folder, events = watched
    home = f"{folder}/home/"
    read = {event[2].removeprefix(home) for event in events if event[2].startswith(home)}
    assert {name for name in read if not name.startswith((".cache/huggingface", ".cache/fer-stage"))} == set()


def test_no_command_connects_to_another_machine(watched: tuple[Path, list[Event]]) -> None:
    _, events = watched
    assert [event for event in events if event[1] == "socket.connect"] == []
