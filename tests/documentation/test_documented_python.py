"""The Python blocks of README and docs: their very lines, run one after the other on a small sample."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from documented import PAGES, ROOT
from PIL import Image
from videos import write_video

import stages
from pipeline.datasets.drawn import draw_face, sample_specs

CHECKED_ELSEWHERE = ("docs/extending.md",)  # of files that a reader is going to write
API = "docs/python.md"
PAGE = (ROOT / API).read_text("utf-8")
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


# What a page has done, or has at hand, before its first block.
BEFORE = {
    "README.md": "",
    "docs/compare.md": """
import stages
stages.extract("sample-a")
for method in ("linear-probe", "feature-mask"):
    stages.evaluate(stages.train(method, "sample-a", seeds=[0, 1]), datasets="sample-a")
""",
    "docs/faces.md": "from PIL import Image\npicture = Image.open('photo.jpg')",
    "docs/heads.md": """
import stages
features = stages.extract("sample-a").store.select("split == 'test'").numpy()
stages.train("linear-probe", "sample-a", seeds=0)
stages.export_head("runs/mini/linear-probe/sample-a/seed-0", "heads/sample-a", onnx=True)
""",
    "docs/predict.md": """
import cv2
import numpy as np
from PIL import Image
picture = Image.open("photo.jpg")
pixels = np.asarray(picture)
""",
    "docs/sklearn.md": "",
}
SMALLER = {"features/clip/affectnet": "features/mini/sample-a", "/ferplus": "/sample-a"}


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)


def python(program: str, folder: Path) -> str:
    """What a program writes to stdout, with the folder as the current one."""
    (folder / "params.yaml").write_text(SMALL)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_blocks_of_the_api_run_and_give_what_their_comments_say(tmp_path: Path) -> None:
    out = python("\n".join([*blocks(API), CHECK]), tmp_path)
    assert out.startswith("store-missing (('extract', {'dataset': 'sample-b', 'encoder': 'mini', ")


@pytest.mark.slow
@pytest.mark.parametrize("page", BEFORE)
def test_the_blocks_of_other_pages_run(page: str, tmp_path: Path) -> None:
    face = Image.fromarray(draw_face(sample_specs("sample-d", 60, 4)[0], "sample-d")).resize((160, 160))
    for name in ("photo.jpg", "photos/a.jpg", "my/face.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        face.save(tmp_path / name)
    write_video(tmp_path / "talk.mp4", [face] * 5)
    program = "\n".join(blocks(page))
    for name, smaller in SMALLER.items():
        program = program.replace(name, smaller)
    python(f"{BEFORE[page]}\n{program}", tmp_path)


def test_every_page_with_python_is_run() -> None:
    with_python = [page for page in PAGES if blocks(page) and page not in CHECKED_ELSEWHERE]
    assert sorted(with_python) == sorted([API, *BEFORE])


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
