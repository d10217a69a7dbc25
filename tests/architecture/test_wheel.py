"""What people install: one wheel with everything that works offline, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from setuptools import Distribution

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "fer_stage.py", "pipeline", "cache", "stages")
MOST_BYTES = 40_000_000
CARRIED = (
    "pipeline/encoders/mini/open_clip_model.safetensors",
    "pipeline/encoders/mini/open_clip_config.json",
    "pipeline/encoders/mini/about.json",
    "pipeline/encoders/mini/README.md",
    "pipeline/faces/weights/LICENSE",
    "pipeline/faces/weights/face_detection_yunet_2023mar.onnx",
    "pipeline/predict/default_head/head.safetensors",
    "pipeline/predict/default_head/head.json",
    "pipeline/predict/default_head/README.md",
    "pipeline/published/cafe.csv",
    "pipeline/published/papers.json",
    "pipeline/report/templates/page.html.j2",
    "pipeline/methods/mask/recipes/cafe/raf-db.yaml",
    "pipeline/methods/text/recipes/zero-shot/clip-faces.yaml",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in BUILT_FROM:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(target)]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(source)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(target.glob("*.whl"))


def test_what_is_carried_is_among_the_files_to_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """What setuptools would copy, asked without copying: the tests of the wheel itself take longer."""
    monkeypatch.chdir(ROOT)
    distribution = Distribution({"script_name": "setup.py"})
    distribution.parse_config_files(["pyproject.toml"])
    build = distribution.get_command_obj("build_py")
    build.ensure_finalized()
    folder = f"{build.build_lib}/"
    names = {name.removeprefix(folder) for name in build.get_outputs(include_bytecode=False)}
    assert [name for name in CARRIED if name not in names] == []
    assert sum((ROOT / name).stat().st_size for name in names) < MOST_BYTES


@pytest.mark.slow
def test_carries_the_encoder_the_head_and_the_page(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in CARRIED if name not in names] == []


@pytest.mark.slow
def test_carries_the_entry_of_the_program(wheel: Path) -> None:
    """By a name of its own: `stages` may be another package where it is installed."""
    archive = zipfile.ZipFile(wheel)
    entry = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert b"fer-stage = fer_stage:main" in archive.read(entry)
    assert {"fer_stage.py", "stages/shadows.py"} <= set(archive.namelist())


@pytest.mark.slow
def test_is_small_enough_for_an_index(wheel: Path) -> None:
    assert wheel.stat().st_size < MOST_BYTES


@pytest.mark.slow
def test_holds_no_test_and_no_picture(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if name.startswith(("tests/", "examples/", "benchmarks/"))]
    assert not [name for name in names if name.endswith((".png", ".jpg", ".jpeg"))]
