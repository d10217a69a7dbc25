"""The files of a new project follow from those of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stages.errors import ParamsError
from stages.params import Params, load_params
from stages.requests import InitRequest
from stages.workflows.project_files import Project, version_changes, versions_text

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "stages" / "project"


@pytest.mark.parametrize(
    ("shipped", "own"), [("graph.yaml", "dvc.yaml"), ("dvcignore", ".dvcignore"), ("dvc-config", ".dvc/config")]
)
def test_what_the_package_carries_is_what_the_repository_uses(shipped: str, own: str) -> None:
    """`make project` copies them."""
    assert (SHIPPED / shipped).read_text() == (ROOT / own).read_text()


def test_a_project_ignores_what_the_repository_ignores_of_data() -> None:
    folders = {line for line in (ROOT / ".gitignore").read_text().splitlines() if line.strip("/!") and line[0] in "/!"}
    assert folders - {"/tmp/"} <= set((SHIPPED / "gitignore").read_text().splitlines())


def files_of(**arguments: object) -> dict[str, str]:
    texts = Project.of(InitRequest(**arguments)).files(in_git=True)  # type: ignore[arg-type]
    return {str(path): text for path, text in texts.items()}


def test_the_graph_of_the_drawn_sample_is_the_repositorys() -> None:
    assert files_of()["dvc.yaml"] == (ROOT / "dvc.yaml").read_text()


def test_the_graph_of_own_datasets_lacks_the_stage_that_draws_and_nothing_else() -> None:
    text = files_of(datasets=["raf-db"])["dvc.yaml"]
    expected = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    del expected["stages"]["draw"]
    assert yaml.safe_load(text) == expected
    assert next(iter(yaml.safe_load(text)["stages"])) == "code"
    lines = set((ROOT / "dvc.yaml").read_text().splitlines())
    assert set(text.splitlines()) <= lines
    assert "  # One process, whose faces are drawn by all cores." not in text


def params_of(tmp_path: Path, **arguments: object) -> Params:
    path = tmp_path / "params.yaml"
    path.write_text(files_of(**arguments)["params.yaml"])
    return load_params(path)


def test_roles_are_lists_of_the_matrix(tmp_path: Path) -> None:
    roles = {"affectnet": "train", "raf-db": "test"}
    params = params_of(tmp_path, datasets=["affectnet", "raf-db", "ferplus"], roles=roles)
    assert params.run.datasets == ["affectnet", "raf-db", "ferplus"]
    assert params.run.train == ["affectnet", "ferplus"]
    assert params.run.tested == ["raf-db", "ferplus"]
    assert params.run.samples == []
    assert [params.datasets[name].root for name in params.datasets] == ["data/affectnet", "data/raf-db", "data/ferplus"]


def test_a_dataset_has_the_layout_and_the_root_that_are_named(tmp_path: Path) -> None:
    root = "/data/it's, a: folder"
    params = params_of(tmp_path, datasets=["mine"], layouts={"mine": "folder"}, roots={"mine": root})
    assert (params.datasets["mine"].layout, params.datasets["mine"].root) == ("folder", root)


def test_a_style_of_the_sample_is_drawn(tmp_path: Path) -> None:
    params = params_of(tmp_path, datasets=["sample-b", "raf-db"])
    assert params.run.samples == ["sample-b"]
    assert params.datasets["sample-b"].root == "data/drawn/sample-b"
    assert "  draw:" in files_of(datasets=["sample-b"])["dvc.yaml"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"datasets": ["nothing"]}, "dataset 'nothing': .* name one with --layout nothing=LAYOUT"),
        ({"datasets": ["affectnt"]}, "Did you mean 'affectnet'?"),
        ({"datasets": ["raf-db"], "layouts": {"raf-db": "foldr"}}, "Did you mean 'folder'"),
        ({"datasets": ["../x"], "layouts": {"../x": "folder"}}, "plain name"),
        ({"datasets": ["raf-db"], "roles": {"raf-db": "test"}}, "expected a dataset that is trained on"),
        ({"datasets": ["raf-db"], "roles": {"raf-db": "train"}}, "expected a dataset that is tested on"),
    ],
)
def test_what_cannot_be_a_project_is_refused(arguments: dict[str, object], problem: str) -> None:
    with pytest.raises(ParamsError, match=problem):
        files_of(**arguments)


def test_the_readme_names_where_each_dataset_is_expected_and_got() -> None:
    readme = files_of(datasets=["affectnet", "mine"], layouts={"mine": "folder"})["README.md"]
    assert "- `data/affectnet`: " in readme
    assert "- `data/mine`: mine, in the layout folder" in readme
    assert "put in place" not in files_of()["README.md"]


def test_a_root_in_the_project_is_ignored_however_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for folder in ("real", "link"):
        for root, line in {
            "photos/a": "/photos/a",
            str(tmp_path / "link/b#1"): "/b\\#1",
            "data/x": "",
            "../y": "",
        }.items():
            request = InitRequest(tmp_path / folder, datasets="mine", layouts={"mine": "folder"}, roots={"mine": root})
            text = Project.of(request).files(in_git=True)[Path(".gitignore")]
            assert text.partition("# Datasets.\n")[2] == (f"{line}\n" if line else ""), root


def test_dvc_is_told_of_a_project_without_git() -> None:
    texts = Project.of(InitRequest()).files(in_git=False)
    assert texts[Path(".dvc/config")].endswith("    no_scm = true\n")


def test_versions_are_compared_by_name() -> None:
    text = versions_text()
    assert version_changes(text) == {}
    older = text.replace('"cafe": 3', '"cafe": 2').replace('"index": 2,', "")
    assert version_changes(older) == {"cafe": (2, 3), "index": (None, 2)}
