"""`fer-stage init`: a project of one's own; nothing that is there is changed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stages
from stages.params import load_params

FerStage = Callable[..., Any]
NAMES = {
    *("params.yaml", "dvc.yaml", "pipeline/versions.json", ".dvc/config", ".dvc/.gitignore", ".dvcignore"),
    *(".gitignore", "README.md"),
}


def files_below(folder: Path) -> set[str]:
    paths = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {str(path) for path in paths if path.parts[0] != ".git"}


def test_a_project_is_written(empty: Path, fer_stage: FerStage) -> None:
    rows = fer_stage("init", "mine", "--format", "json")
    assert rows == [{"file": f"mine/{row['file'].removeprefix('mine/')}", "state": "written"} for row in rows]
    assert files_below(empty / "mine") == NAMES
    assert load_params(empty / "mine/params.yaml").run.samples == ["sample-a", "sample-d"]
    assert (empty / "mine/.git").is_dir()


def test_a_second_init_changes_nothing_and_says_what_is_there(
    empty: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    fer_stage("init")
    own = "classes: 8\n"
    Path("params.yaml").write_text(own)
    states = {row["file"]: row["state"] for row in fer_stage("init", "--dataset", "raf-db", "--format", "json")}
    assert states["params.yaml"] == "kept"
    assert states["dvc.yaml"] == "kept"  # that of the drawn sample has a stage more
    assert states[".gitignore"] == "unchanged"
    assert Path("params.yaml").read_text() == own
    result = stages.init(datasets=["raf-db"])
    assert {str(file.path) for file in result.kept} == {"params.yaml", "dvc.yaml", "README.md"}


def test_what_is_kept_is_said(empty: Path, capsys: pytest.CaptureFixture[str], fer_stage: FerStage) -> None:
    Path("README.md").write_text("mine\n")
    from stages.cli import run

    assert run(["init"]) == 0
    assert "note: README.md is there with other content and is not changed" in capsys.readouterr().err
    assert Path("README.md").read_text() == "mine\n"


def test_a_dry_run_prints_the_files_and_writes_none(empty: Path, fer_stage: FerStage) -> None:
    text = fer_stage("init", "mine", "--dataset", "raf-db", "--dry-run")
    assert "# mine/params.yaml: would be written" in text
    assert "  raf-db: {layout: raf-db, root: data/raf-db}" in text
    assert list(empty.iterdir()) == []


def test_options_of_one_dataset_need_no_name(empty: Path, fer_stage: FerStage) -> None:
    fer_stage("init", "--dataset", "mine", "--layout", "folder", "--root", "data/a=b")
    assert load_params(Path("params.yaml")).datasets["mine"].root == "data/a=b"


def test_options_of_several_datasets_name_theirs(empty: Path, fer_stage: FerStage) -> None:
    words = ("--root", "b=data/x", "--layout", "a=folder", "--layout", "b=csv", "--role", "b=test")
    fer_stage("init", *words, "--dataset", "a", "--dataset", "b")
    params = load_params(Path("params.yaml"))
    assert {name: (source.layout, source.root) for name, source in params.datasets.items()} == {
        "a": ("folder", "data/a"),
        "b": ("csv", "data/x"),
    }
    assert (params.run.train, params.run.tested) == (["a"], ["a", "b"])


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--dataset", "a", "--dataset", "b", "--layout", "folder"), "expected NAME=folder"),
        (("--layout", "folder"), "name one with --dataset"),
        (("--dataset", "raf-db", "--role", "raf-db=both", "--role", "test"), "expected one of raf-db, found several"),
        (("--dataset", "raf-db", "--role", "validation"), "--role"),
        (("--versions", "--dataset", "raf-db"), "--versions"),
    ],
)
def test_wrong_options_are_named(empty: Path, fer_stage: FerStage, words: tuple[str, ...], problem: str) -> None:
    assert problem in fer_stage("init", *words, code=2)
    assert list(empty.iterdir()) == []


def test_a_file_is_no_folder_of_a_project(empty: Path, fer_stage: FerStage) -> None:
    Path("mine").write_text("")
    assert "expected a folder for the project, or none, found a file" in fer_stage("init", "mine", code=1)


def test_a_folder_in_a_repository_gets_none_of_its_own(empty: Path, fer_stage: FerStage) -> None:
    subprocess.run(["git", "init", "--quiet"], check=True)
    fer_stage("init", "below/mine")
    assert not (empty / "below/mine/.git").exists()
    assert "no_scm" not in (empty / "below/mine/.dvc/config").read_text()


def test_a_folder_without_git_is_a_project_of_dvc_alone(empty: Path, fer_stage: FerStage) -> None:
    fer_stage("init", "--no-git")
    assert not Path(".git").exists()
    assert "no_scm = true" in Path(".dvc/config").read_text()


def test_git_ignores_faces_features_and_tables_and_nothing_of_the_project(empty: Path, fer_stage: FerStage) -> None:
    fer_stage("init", "--dataset", "x", "--layout", "folder", "--root", "my [photos]")
    for name in (
        "data/x/a.jpg",
        "my [photos]/anger/a.txt",  # a dataset that is not below data/
        "tables/x.parquet",
        "faces/x.parquet",
        "features/mini/x.zarr/zarr.json",
        "runs/a.json",
        "mistakes.png",  # of `browse --sheet`
        "shown/IMG_1.JPG",
        "shown/talk.Mp4",
        "rows.parquet",  # of `query --output`
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x")
    Path("reports").mkdir()
    Path("reports/metrics.json").write_text("{}")
    Path("reports/index.html").write_text("")
    subprocess.run(["git", "add", "-A"], check=True)
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()
    assert set(listed) == {*NAMES, "reports/metrics.json"}


def test_a_gitignore_that_is_there_is_kept_and_what_it_lacks_is_named(
    empty: Path, capsys: pytest.CaptureFixture[str], fer_stage: FerStage
) -> None:
    from stages.cli import run

    Path(".gitignore").write_text("*.log\ndata/\n/runs\n")
    assert run(["init", "--dataset", "x", "--layout", "folder", "--root", "photos"]) == 0
    warning = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:"))
    assert " /tables/ " in warning
    assert " /photos " in warning
    assert "/data/" not in warning
    assert "/runs" not in warning
    assert Path(".gitignore").read_text() == "*.log\ndata/\n/runs\n"
    Path(".gitignore").unlink()
    fer_stage("init")
    assert stages.init().not_ignored == ()


def test_the_commands_of_the_readme_commit_what_metrics_are_compared_with(empty: Path, fer_stage: FerStage) -> None:
    """Without dvc.yaml in the commit, DVC finds no metrics there."""
    fer_stage("init")
    Path("reports").mkdir()
    for name in ("dvc.lock", "reports/metrics.json"):
        Path(name).write_text("{}")
    words = next(line for line in Path("README.md").read_text().splitlines() if line.startswith("git add")).split()
    subprocess.run(words, check=True)
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()
    assert set(listed) == {*NAMES, "dvc.lock", "reports/metrics.json"}


def test_a_project_without_git_is_told_of_no_commit(empty: Path, fer_stage: FerStage) -> None:
    fer_stage("init", "--no-git")
    assert "git commit" not in Path("README.md").read_text()


def test_versions_alone_are_brought_up_to_date(empty: Path, fer_stage: FerStage) -> None:
    fer_stage("init")
    path = Path("pipeline/versions.json")
    current = path.read_text()
    path.write_text(current.replace('"cafe": 3', '"cafe": 2'))
    Path("README.md").write_text("mine\n")
    fer_stage("init", "--versions")
    assert path.read_text() == current
    assert Path("README.md").read_text() == "mine\n"


def test_versions_of_no_project_are_refused(empty: Path, fer_stage: FerStage) -> None:
    assert "expected that of a project, found none. Run `fer-stage init`" in fer_stage("init", "--versions", code=1)
