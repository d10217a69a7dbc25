"""The layout of the packages, their imports, and what `pipeline` must not do: open files, print, use no seed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cache
import pipeline
import stages

ROOT = Path(__file__).parents[2]
PURE = [
    path
    for path in sorted((ROOT / "pipeline").rglob("*.py"))
    if not {"datasets", "encoders"} & set(path.relative_to(ROOT / "pipeline").parts)
]
FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval"}


@pytest.mark.parametrize("package", [cache, pipeline, stages], ids=lambda package: package.__name__)
def test_the_import_names_are_ours(package: object) -> None:
    assert Path(package.__file__).parent.parent == ROOT  # type: ignore[attr-defined]


def test_import_contracts_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("import-linter is not installed: pip install '.[lint]'")
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_pipeline_opens_no_file_and_prints_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text())
    calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    attributes = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    # The one place that runs code: files that a user names.
    assert not calls & FORBIDDEN_CALLS - ({"exec"} if path.name == "plugins.py" else set())
    assert not attributes & {"environ", "manual_seed_all", "seed"} - _allowed(path)


def _allowed(path: Path) -> set[str]:
    """`seed` as a field of a record is no random state: report and transform carry seeds around as data."""
    return {"seed"} if "report" in path.parts or path.name in ("transform.py", "groups.py") else set()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "pipeline").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_randomness_without_a_seed(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        name = ast.unparse(call.func)
        assert not name.startswith(("random.", "np.random.", "numpy.random.")) or "default_rng" in name, name
        if name.endswith("default_rng"):
            assert call.args, f"{path.name}: default_rng() without a seed"


@pytest.mark.parametrize("room", ["cache", "pipeline", "stages"])
def test_every_folder_says_what_it_is(room: str) -> None:
    for path in (ROOT / room).rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path
