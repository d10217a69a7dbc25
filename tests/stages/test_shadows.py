"""Another package named as one of ours: the command says which, where it is and how to repair it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.shadows import PACKAGES, shadowed, why_broken

ROOT = Path(__file__).parents[2]
ENTRY = ["-c", "from fer_stage import main; main()"]  # what the installed program does
_FROM_HERE = "import sys; sys.path.insert(0, ''); from fer_stage import main; main()"
OLD_ENTRY = ["-c", "from stages.cli import main; main()"]


def foreign(folder: Path, name: str) -> Path:
    """A package of that name from another project."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("def cached(function):\n    return function\n")
    return folder / name


def run(folder: Path, code: list[str], *args: str, **environment: str) -> str:
    """What a command that fails with 1 says, without a traceback. `-P`: the current folder is not searched."""
    command = [sys.executable, "-P", *code, *args]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env={**clean, **environment}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "a bug of fer-stage" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_on_pythonpath_that_is_in_the_way_is_named(tmp_path: Path, name: str) -> None:
    path = foreign(tmp_path / "theirs", name)
    message = run(tmp_path, ENTRY, "datasets", PYTHONPATH=str(path.parent))
    assert f"another package named `{name}` is in the way" in message
    assert f"expected {ROOT / name}" in message
    assert f"found {path}" in message
    assert "env -u PYTHONPATH fer-stage" in message
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    repaired = subprocess.run(  # the advice works
        [sys.executable, "-P", *ENTRY, "--version"], cwd=tmp_path, env=clean, check=True, capture_output=True, text=True
    )
    assert "fer-stage" in repaired.stdout


@pytest.mark.parametrize("name", ["cache", "pipeline"])
def test_an_entry_that_reaches_our_command_line_says_it_too(tmp_path: Path, name: str) -> None:
    path = foreign(tmp_path / "theirs", name)
    assert f"found {path}" in run(tmp_path, OLD_ENTRY, "datasets", PYTHONPATH=str(path.parent))


def test_a_module_in_one_file_is_in_the_way_too(tmp_path: Path) -> None:
    (tmp_path / "cache.py").write_text("")
    assert f"found {tmp_path / 'cache.py'}" in run(tmp_path, ENTRY, "datasets", PYTHONPATH=str(tmp_path))


def test_a_file_named_as_a_package_that_we_need_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("safe = True\n")
    message = run(tmp_path, ENTRY, "datasets", PYTHONPATH=str(tmp_path))
    assert "another module named `yaml` is in the way: expected the installed one" in message
    assert f"found {tmp_path / 'yaml.py'}" in message
    assert "env -u PYTHONPATH fer-stage" in message


def test_a_file_in_the_current_folder_is_renamed_by_its_whole_name(tmp_path: Path) -> None:
    (tmp_path / "cache.py").write_text("")
    assert f"or rename {tmp_path / 'cache.py'}\n" in run(tmp_path, ["-c", _FROM_HERE])


def test_a_folder_without_python_in_it_is_not_in_the_way(tmp_path: Path) -> None:
    """A data folder named cache, beside a script: ours is found after it, in a folder of installed packages."""
    (tmp_path / "cache").mkdir()
    site = tmp_path / "site"
    site.mkdir()
    for name in ("fer_stage.py", "cache", "pipeline", "stages"):
        (site / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "-P", *ENTRY, "--version"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{site}"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "fer-stage" in done.stdout


def test_a_package_that_was_installed_over_ours_is_named(tmp_path: Path) -> None:
    """Both are in one folder: which files are whose is known from what pip wrote down."""
    site = tmp_path / "site"
    site.mkdir()
    for name in ("fer_stage.py", "stages", "pipeline"):
        (site / name).symlink_to(ROOT / name)
    foreign(site, "cache")
    for name, files in (("fer_stage", ["cache", "stages", "pipeline"]), ("caching_tools", ["cache"])):
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
        (info / "RECORD").write_text("".join(f"{file}/__init__.py,,\n" for file in files))
    message = run(tmp_path, ENTRY, "query", "features/x.zarr", PYTHONPATH=str(site))
    assert "caching-tools" in message
    assert "pip uninstall caching-tools" in message


def test_all_packages_are_ours_here() -> None:
    assert shadowed() is None


def test_an_error_of_something_else_is_none_of_a_package_in_the_way() -> None:
    assert why_broken(ImportError("No module named 'torchvision'", name="torchvision")) is None
    assert why_broken(AttributeError("module 'cache' has no attribute 'x'")) is None  # no other one is installed
