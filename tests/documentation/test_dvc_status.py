"""`dvc status` of a fresh clone, which names the heads to train again."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from documented import ROOT, environment

_READ_BY_DVC = re.compile(r"(.*/)?(dvc\.yaml|params\.yaml|versions\.json|\.dvcignore|\.gitignore|\.dvc/[^/]+)")


def _clone(folder: Path) -> None:
    """What git has of the files that DVC reads, links as links."""
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(_READ_BY_DVC.fullmatch, files):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)


def _status(folder: Path) -> str:
    command = ["dvc", "status"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.dvc
def test_dvc_status_names_the_stages_of_its_own_graph_only(tmp_path: Path) -> None:
    _clone(tmp_path)
    status = _status(tmp_path)
    assert "train@mini-feature-mask:" in status
    assert "examples/" not in status
    assert "index@ferplus" in _status(tmp_path / "examples" / "faces")
