"""README's params.yaml and its DVC commands, in order, as on a fresh clone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from documented import ROOT, command_lines, environment, put_datasets, substituted, with_substitutes

_SHIPPED = (
    "dvc.yaml",
    "params.yaml",
    ".dvcignore",
    ".gitignore",
    ".dvc/config",
    ".dvc/.gitignore",
    "pipeline/versions.json",
)


def _blocks(text: str) -> dict[str, str]:
    """The top-level blocks of a YAML text, by name."""
    return {
        part.partition(":")[0]: part for part in re.split(r"^(?=[a-z_]+:)", text, flags=re.MULTILINE) if ":" in part
    }


def _snippet() -> str:
    """README's params.yaml of real datasets."""
    fences = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    return next(fence for fence in fences if "run:" in fence)


def _params() -> str:
    """The shipped params.yaml, with README's blocks instead of those of their names, on small data."""
    blocks = _blocks((ROOT / "params.yaml").read_text()) | _blocks(_snippet())
    return with_substitutes("\n".join(blocks.values()))


def test_the_snippet_replaces_whole_blocks_of_the_shipped_file() -> None:
    assert set(_blocks(_snippet())) <= set(_blocks((ROOT / "params.yaml").read_text()))
    assert yaml.safe_load(_params())["run"]["train"] == ["affectnet", "ferplus"]


@pytest.mark.dvc
@pytest.mark.slow
def test_documented_dvc_commands_work_in_order_on_a_fresh_clone(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    for name in _SHIPPED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    put_datasets(folder / "data")
    (folder / "params.yaml").write_text(_params())
    lines = [line for line in command_lines("README.md") if line.startswith(("dvc ", "git "))]
    for start in ("dvc exp run", "dvc metrics diff", "dvc push"):
        assert any(line.startswith(start) for line in lines), start
    for line in ("git init --quiet", "git add -A", "git commit -qm start", *lines):
        if line.startswith("dvc pull"):  # as elsewhere, where nothing was computed
            shutil.rmtree(folder / ".dvc" / "cache")
            shutil.rmtree(folder / "features" / "clip" / "affectnet.zarr")
        done = subprocess.run(
            substituted(line), cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert "failed to load" not in done.stdout + done.stderr, line
    config = json.loads((folder / "runs/clip/feature-mask/affectnet/seed-0/run.json").read_text())["config"]
    assert config["hidden"] == 128
    scores = json.loads((folder / "runs/scores/clip/kefer/ferplus/seed-2/scores.json").read_text())
    assert {score["dataset"] for score in scores} == {"affectnet", "ferplus"}
