"""Whole commands of this tree against those of an earlier commit: seconds, CPU time and memory, in turns.

Each build works on a project of its own, drawn and extracted by itself. Both run with the same Python and libraries, so
that the libraries of today must still suit the commit.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from builds import TREE, Build, Usage, processes_in_turns, unpack
from machine import show

SETUP = [
    ["draw", "--style", "sample-a"],
    ["index", "--dataset", "sample-a"],
    ["extract", "--dataset", "sample-a"],
    ["encode-text"],
    ["train", "--method", "zero-shot", "--dataset", "sample-a"],
]
TRAIN = ["train", "--dataset", "sample-a", "--method"]
# What is trained is trained again by both: other runs than those of the turn before.
CASES: dict[str, list[str]] = {
    "extract, nothing to do": ["extract", "--dataset", "sample-a"],
    "evaluate": ["evaluate", "--run", "runs", "--dataset", "sample-a"],
    "train zero-shot": [*TRAIN, "zero-shot"],
    "train linear-probe": [*TRAIN, "linear-probe", "--runs", "{new}"],
    "train feature-mask": [*TRAIN, "feature-mask", "--runs", "{new}"],
    "train baseline": [*TRAIN, "baseline", "--runs", "{new}"],
    "predict, one picture": ["predict", "{picture}"],
    "predict, a folder": ["predict", "{pictures}"],
}


def project_of(build: Build) -> None:
    """A drawn dataset, its features and a head."""
    build.copy_params()
    for command in SETUP:
        build.run(command)


def in_turns(builds: dict[str, Build], case: str, turns: int, pictures: Path) -> dict[str, Usage]:
    picture = next(path for path in sorted(pictures.rglob("*")) if path.suffix in (".jpg", ".png"))
    places = {"{pictures}": str(pictures), "{picture}": str(picture), "{new}": "runs-again"}
    arguments = [places.get(argument, argument) for argument in CASES[case]]
    if "runs-again" not in arguments:
        return processes_in_turns(builds, arguments, turns)
    usages: dict[str, list[Usage]] = {name: [] for name in builds}
    for _ in range(turns):
        for name, build in builds.items():
            shutil.rmtree(build.project / "runs-again", ignore_errors=True)
            usages[name].append(build.run(arguments))
    return {name: Usage.median(found) for name, found in usages.items()}


def repro(trees: dict[str, Callable[[Path], Path]], folder: Path) -> dict[str, Usage]:
    """`dvc repro` of each tree, once, in a copy without anything that was made; installation is not counted."""
    usages = {}
    for name, copy in trees.items():
        project = copy(folder / f"repro-{name}")
        for command in (["git", "init", "-q"], ["git", "add", "-A"]):
            subprocess.run(command, cwd=project, check=True)
        usages[name] = Build(project, project).process([sys.executable, "-m", "dvc", "repro"])
    return usages


def copy_of_tree(folder: Path) -> Path:
    """The files of this tree that git lists, as they are now."""
    listed = subprocess.run(["git", "-C", str(TREE), "ls-files", "-z"], capture_output=True, check=True, text=True)
    for name in listed.stdout.split("\0"):
        if name and (TREE / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TREE / name, folder / name)
    return folder


def compared(usages: dict[str, Usage]) -> dict[str, Any]:
    before, now = usages["before"], usages["now"]
    return {
        "before": before.as_json(),
        "now": now.as_json(),
        "ratio of wall": round(now.wall_s / before.wall_s, 3),
        "ratio of cpu": round(now.cpu_s / before.cpu_s, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("commit", help="What to compare this tree with.")
    parser.add_argument("--case", action="append", choices=CASES, help="Only this one; several times.")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--pictures", type=Path, help="A folder for `predict`; drawn faces by default.")
    parser.add_argument("--repro", action="store_true", help="`dvc repro` in place of the cases: takes minutes.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.repro:
            trees = {"before": lambda path: unpack(options.commit, path), "now": copy_of_tree}
            show({"what": f"dvc repro against {options.commit}", **compared(repro(trees, Path(folder)))})
            return
        builds = {
            "before": Build(unpack(options.commit, Path(folder, "tree")), Path(folder, "before")),
            "now": Build(TREE, Path(folder, "now")),
        }
        for build in builds.values():
            build.project.mkdir()
            project_of(build)
        pictures = options.pictures or builds["now"].project / "data" / "sample-a"
        found = {
            case: compared(in_turns(builds, case, options.turns, pictures.absolute())) for case in options.case or CASES
        }
    show({"what": f"whole commands against {options.commit}", "turns": options.turns, **found})


if __name__ == "__main__":
    main()
