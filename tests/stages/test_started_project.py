"""A project from `init` to a changed label: what DVC makes, and what `status` says of it."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from documented import environment

pytestmark = [pytest.mark.dvc, pytest.mark.slow]


def _call(folder: Path, *command: str, code: int = 0) -> str:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def _status(folder: Path, code: int = 0) -> dict[str, dict[str, Any]]:
    return {
        row["output"]: row for row in json.loads(_call(folder, "fer-stage", "status", "--format", "json", code=code))
    }


def _put_dataset(folder: Path, name: str, style: str) -> None:
    """A list of labelled pictures."""
    _call(folder, "fer-stage", "draw", "--style", style, "--images", "60", "--out", f"drawn/{name}", "--quiet")
    (folder / "data" / name).mkdir(parents=True)
    shutil.move(folder / "drawn" / name / "images", folder / "data" / name / "images")
    shutil.move(folder / "drawn" / name / "labels.csv", folder / "data" / name / "labels.csv")
    shutil.rmtree(folder / "drawn" / name)


def _change_label(path: Path, split: str) -> None:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    row = next(row for row in rows if row["split"] == split)
    row["label"] = "fear" if row["label"] != "fear" else "anger"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_project_from_init_to_a_changed_label(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    _call(tmp_path, "fer-stage", "init", "lab", "--dataset", "a", "--layout", "csv")
    params = folder / "params.yaml"
    text = params.read_text()
    assert _status(folder, code=3)["data/a"]["state"] == "missing"

    # Two datasets more, as its comments say: a line, and a name in the lists of the roles.
    text = text.replace("  a: {", "  b: {layout: csv, root: data/b}\n  c: {layout: csv, root: data/c}\n  a: {")
    text = text.replace("datasets: [a]", "datasets: [a, b, c]").replace("train: [a]", "train: [a, b]")
    text = text.replace("test: [a]", "test: [a, c]").replace(
        "[linear-probe, feature-mask, zero-shot]", "[feature-mask]"
    )
    params.write_text(
        text.replace("  feature-mask: {}", "  feature-mask: {epochs: 2}").replace("mini: mini", "mini: untrained")
    )
    for name, style in {"a": "sample-a", "b": "sample-d", "c": "sample-e"}.items():
        _put_dataset(folder, name, style)
    assert {row["state"] for row in _status(folder, code=3).values()} == {"missing"}
    _call(folder, "dvc", "repro")
    assert _status(folder) == {}
    scores = json.loads((folder / "runs/scores/mini/feature-mask/b/seed-0/scores.json").read_text())
    assert [score["dataset"] for score in scores] == ["a", "c"]  # b is for training only
    _call(folder, "git", "add", "-A")
    listed = _call(folder, "git", "ls-files").split()
    assert "dvc.lock" in listed
    assert not any(name.startswith(("data/", "tables/", "faces/", "features/", "runs/")) for name in listed)

    _change_label(folder / "data/b/labels.csv", "train")
    changed = _status(folder, code=3)
    assert changed["tables/b.parquet"]["reason"] == "changed since it was scanned: labels.csv"
    assert {row["state"] for row in changed.values()} == {"stale"}
    assert "features/mini/a.zarr" not in changed
    assert "runs/mini/feature-mask/a/seed-0" not in changed
    printed = _call(folder, "dvc", "repro")
    run = set(re.findall(r"Running stage '([^']+)'", printed))
    assert run == {"index@b", "align@b", "extract@mini-b", "train@mini-feature-mask", "evaluate@mini", "report"}
    assert _status(folder) == {}


def test_the_drawn_sample_needs_no_dataset_of_ones_own(tmp_path: Path) -> None:
    _call(tmp_path, "fer-stage", "init", "first", "--no-git")
    params = tmp_path / "first" / "params.yaml"
    text = params.read_text().replace("images: 400", "images: 60")
    params.write_text(text.replace("[linear-probe, feature-mask, zero-shot]", "[feature-mask]"))
    _call(tmp_path / "first", "dvc", "repro")
    assert _status(tmp_path / "first") == {}
