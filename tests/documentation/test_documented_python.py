"""The Python blocks of docs/python.md: its very lines, run one after the other on a small sample."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from documented import ROOT

import stages

PAGE = (ROOT / "docs" / "python.md").read_text("utf-8")
SMALL = """
sample: {version: 1, images: 60, seed: 0}
datasets:
  sample-a: {layout: sample, root: data/sample-a}
  sample-b: {layout: sample, root: data/sample-b}
"""
CHECK = """
assert scores.frame["accuracy"].between(0, 1).all()
assert len(scores.frame) == 1
assert store.store.frame["id"].tolist() == table.frame["id"].tolist()
assert lists.frame[["variant", "seed"]].values.tolist() == [
    ["lambda_sep=0.5", 0], ["lambda_sep=0.5", 1], ["lambda_sep=1.5", 0], ["lambda_sep=1.5", 1]
]
assert [path.parent.name for path in named.folders] == ["hidden=narrow", "hidden=wide"]
"""


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_its_blocks_run_and_give_what_their_comments_say(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(SMALL)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*blocks(), CHECK])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("store-missing (('extract', {'dataset': 'sample-b', 'encoder': 'mini', ")


def rows_of_functions() -> dict[str, str]:
    """The name of each function in the table -> its command."""
    return dict(re.findall(r"^\| `(\w+)\([^`]*\)` \| `([\w ,-]+)` \|", PAGE, re.MULTILINE))


def test_its_table_has_every_function_and_no_other() -> None:
    assert sorted(rows_of_functions()) == sorted(stages.__all__)


@pytest.mark.parametrize("name", stages.__all__)
def test_its_table_calls_each_function_with_what_it_requires(name: str) -> None:
    row = re.search(rf"^\| `{name}\(([^`]*)\)`", PAGE, re.MULTILINE)
    assert row is not None
    signature = inspect.signature(getattr(stages, name))
    written = [word.strip() for word in row[1].split(",") if word.strip()]
    required = [key for key, one in signature.parameters.items() if one.default is inspect.Parameter.empty]
    assert written[: len(required)] == required
    assert set(written) <= set(signature.parameters)
