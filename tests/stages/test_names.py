"""Names: what files and DVC cannot carry is refused where it is written, with a name that is right."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import QueryError
from cache.features_root import find_store
from pipeline.datasets.drawn import STYLES
from pipeline.datasets.layouts import LAYOUTS
from pipeline.methods import method_names
from pipeline.prompts import PROMPT_SETS
from stages.errors import ParamsError
from stages.names import check_name, colliding_stages, legal_name, name_problems, parse_limited_name
from stages.params import Params, load_params

ROOT = Path(__file__).parents[2]
BAD = ["my.v2", "my set", "a/b", "..", ".hidden", "-x", "_x", "", "ferplus+", "a[0]", "a:b", "a@b", "élan", "x" * 101]


def refused(tmp_path: Path, params: dict[str, Any]) -> str:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    return str(caught.value)


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize(
    ("block", "value"),
    [("datasets", {"layout": "folder", "root": "d"}), ("encoders", "mini"), ("prompt_sets", ["a [CLS]"])],
)
def test_a_name_that_files_or_dvc_cannot_carry_is_refused_in_params(
    tmp_path: Path, name: str, block: str, value: object
) -> None:
    extra = {"run": {block: [name]}} if block != "prompt_sets" else {}
    message = refused(tmp_path, {block: {name: value}, **extra})
    right = message.rpartition("Write ")[2].strip().strip("'")
    assert f"{block}: expected a plain name" in message
    assert repr(name) in message
    if extra:
        extra = {"run": {block: [right]}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({block: {right: value}, **extra}))
    load_params(tmp_path / "params.yaml")  # the advice works


def test_a_name_in_the_matrix_that_dvc_cannot_carry_is_refused(tmp_path: Path) -> None:
    assert "found 'my.v2'" in refused(tmp_path, {"run": {"datasets": ["my.v2"]}})


@pytest.mark.parametrize("command", ["index", "extract", "align"])
def test_a_name_that_an_option_brings_is_refused_too(empty: Path, fer_stage: Callable[..., Any], command: str) -> None:
    error = (
        fer_stage(command, "--dataset", "my.v2", "--layout", "folder", "--root", ".", code=1)
        if (command != "align")
        else fer_stage(command, "--dataset", "my.v2", code=1)
    )
    assert "--dataset: expected a plain name" in error
    assert "Write 'my-v2'" in error
    assert not list(empty.rglob("*.parquet"))


def test_all_names_that_are_wrong_are_listed_at_once(tmp_path: Path) -> None:
    message = refused(tmp_path, {"datasets": {"a b": {"layout": "folder"}, "c.d": {"layout": "folder"}}})
    assert "'a b'" in message
    assert "'c.d'" in message


def test_names_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, {"encoders": {"Clip": "mini", "clip": "mini"}, "run": {"encoders": ["clip"]}})
    assert "'Clip' and 'clip' differ in upper and lower case only" in message
    message = refused(tmp_path, {"datasets": {"Sample-A": {"layout": "folder"}}, "run": {"datasets": ["sample-a"]}})
    assert "'Sample-A' and 'sample-a'" in message
    assert "'clip' and 'CLIP'" in refused(tmp_path, {"prompt_sets": {"CLIP": ["a [CLS]"]}})


def test_the_name_of_our_own_folder_is_no_encoder(tmp_path: Path) -> None:
    message = refused(tmp_path, {"encoders": {"Scores": "mini"}, "run": {"encoders": ["Scores"]}})
    assert "'Scores', which is the name of a folder of fer-stage" in message
    check_name("dataset", "scores")


def test_every_name_of_ours_is_plain() -> None:
    for kind, names in (("dataset", [*LAYOUTS, *STYLES]), ("prompt set", list(PROMPT_SETS))):
        assert name_problems(kind, names, "ours") == []
    assert name_problems("method", list(method_names()), "ours") == []


@given(st.text(max_size=120), st.lists(st.text(max_size=5), max_size=4))
def test_the_recommended_name_is_always_allowed_and_free(name: str, taken: list[str]) -> None:
    right = legal_name("encoder", name, taken)
    check_name("encoder", right)
    assert right.casefold() not in {other.casefold() for other in taken if other != name}


def test_a_name_that_limit_made_is_explained_where_a_whole_dataset_is_asked_for() -> None:
    assert parse_limited_name("my.first-12") == ("my", 12)
    assert (
        parse_limited_name("my")
        is parse_limited_name("my.first-")
        is parse_limited_name(".first-3")
        is parse_limited_name("my.first-x")
        is None
    )
    with pytest.raises(ParamsError, match="--dataset my --limit 12"):
        Params().dataset("my.first-12")


def test_a_store_that_limit_made_is_scored_and_queried_by_its_name(
    project: Path, fer_stage: Callable[..., Any]
) -> None:
    fer_stage("extract", "--dataset", "sample-a", "--limit", "60", "--quiet")  # all: no name of its own
    fer_stage("extract", "--dataset", "sample-e", "--limit", "50", "--quiet")
    path = "features/untrained/sample-e.first-50.zarr"
    assert len(fer_stage("query", path, "--format", "json")) == 50
    run = "runs/untrained/feature-mask/sample-a/seed-0"
    [score] = fer_stage("evaluate", "--run", run, "--dataset", "sample-e.first-50", "--dry-run", "--format", "json")
    assert score["dataset"] == "sample-e.first-50"
    shutil.rmtree(path)
    error = fer_stage("query", path, code=1)
    command = error.partition("`fer-stage ")[2].partition("`")[0]
    fer_stage(*command.split(), "--quiet")  # the advice works
    assert len(fer_stage("query", path, "--format", "json")) == 50


def test_a_path_is_no_name_of_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"expected the name of a dataset, found '\.\./x'"):
        find_store(tmp_path, "mini", "../x")


COLLIDING = {
    "encoders": {"mini": "mini", "mini-a": "mini"},
    "datasets": {name: {"layout": "folder", "root": "d"} for name in ("sample-a", "a-sample-a")},
    "run": {"encoders": ["mini", "mini-a"], "datasets": ["sample-a", "a-sample-a"]},
}


def test_stages_that_dvc_would_give_one_name_are_refused_with_both(tmp_path: Path) -> None:
    message = refused(tmp_path, COLLIDING)
    assert "`mini-a-sample-a` is (mini, a-sample-a) and (mini-a, sample-a)" in message
    assert "Rename the encoder 'mini-a', for example to 'mini_a'" in message
    run = {"encoders": ["mini", "mini_a"], "datasets": ["sample-a", "a-sample-a"], "methods": ["cafe"], "seeds": [0]}
    assert colliding_stages(run) is None


def test_stages_that_collide_over_dataset_and_seed_are_found() -> None:
    run = {"encoders": ["a"], "datasets": ["d-", "d"], "methods": ["cafe"], "seeds": [1, -1]}
    message = colliding_stages(run)
    assert message is not None
    assert "encoders x methods x datasets x seeds" in message
    assert "`a-cafe-d--1` is (a, cafe, d-, 1) and (a, cafe, d, -1)" in message
    assert "Rename one of them" in message


def test_a_matrix_without_collisions_is_not_refused() -> None:
    names = [f"set-{i}" for i in range(20)]
    run = {"encoders": ["mini", "clip-b"], "datasets": names, "methods": list(method_names()), "seeds": list(range(10))}
    assert colliding_stages(run) is None


@pytest.mark.dvc
def test_dvc_names_stages_as_we_think_it_does(tmp_path: Path) -> None:
    """Else collisions are not detected: the names of dvc.yaml's matrices are those that we join."""
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["run"] |= {"datasets": ["sample-a", "sample-b"], "methods": ["cafe", "zero-shot"], "seeds": [0, 1]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        [*dvc, "stage", "list", "--name-only"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.split()
    run = params["run"]
    for stage, axes in (("extract", ("encoders", "datasets")), ("train", ("encoders", "methods"))):
        joined = {f"{stage}@" + "-".join(map(str, v)) for v in itertools.product(*(run[axis] for axis in axes))}
        assert {name for name in listed if name.startswith(f"{stage}@")} == joined


def test_a_dataset_that_is_no_stage_may_have_more_characters(tmp_path: Path) -> None:
    """DVC takes none of them; what `run` does not name is a file only. Dots, spaces and paths stay refused."""
    path = tmp_path / "params.yaml"
    block = {"=1+1|x": {"layout": "folder"}, "AffectNet+(7)": {"layout": "folder"}}
    path.write_text(yaml.safe_dump({"datasets": block}))
    assert load_params(path).dataset("=1+1|x").layout == "folder"
    assert "found '=1+1|x'" in refused(tmp_path, {"datasets": block, "run": {"datasets": ["=1+1|x"]}})
    for name in ("a.b", "a b", "../a", "-a", "a$b", "a\tb", "a'b"):
        assert repr(name) in refused(tmp_path, {"datasets": {name: {"layout": "folder"}}})
