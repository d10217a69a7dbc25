"""What refers to which store: what is tracked, in the matrix, trained on or scored on is found; doubt is an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from run_records import run_record, score_record

from cache.upkeep.cleanup import References
from pipeline.errors import InputError
from stages.errors import ParamsError, StageError
from stages.workflows.store_references import find_references

PARAMS = Path("params.yaml")
KEY = "5e" * 32

LOCK = """
schema: '2.0'
stages:
  extract@clip-a:
    cmd: fer-stage extract
    deps: [{path: tables/a.parquet, md5: x}]
    outs: [{path: features/clip/a.zarr, md5: y}]
  evaluate@clip:
    cmd: fer-stage evaluate
    deps: [{path: features/untrained, md5: z}, {path: "s3://bucket/features/clip/far.zarr"}, {path: "https://x/y"}]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def references(folder: Path) -> References:
    return find_references(folder / "features", PARAMS)


def needed(folder: Path, name: str) -> bool:
    return references(folder).why(folder / "features" / name, "") is not None


def test_outputs_and_dependencies_of_dvc_are_needed(folder: Path) -> None:
    (folder / "dvc.lock").write_text(LOCK)
    assert needed(folder, "clip/a.zarr")
    assert needed(folder, "untrained/anything.h5")  # a stage depends on the folder
    assert not needed(folder, "clip/b.zarr")
    assert not needed(folder, "clip/a.h5")
    assert "s3://bucket/features/clip/far.zarr" in references(folder).paths


def test_a_dvc_file_is_read_too(folder: Path) -> None:
    (folder / "features").mkdir()
    (folder / "features" / "clip.dvc").write_text("outs: [{path: clip, md5: x}]\n")
    assert needed(folder, "clip/a.zarr")
    assert not needed(folder, "other/a.zarr")


def test_names_are_relative_to_the_working_folder_of_a_stage(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "dvc.yaml").write_text("stages: {extract: {foreach: [a], do: {cmd: x, wdir: ..}}}\n")
    (folder / "sub" / "dvc.lock").write_text(
        "schema: '2.0'\nstages: {extract@a: {outs: [{path: features/clip/a.zarr}]}}\n"
    )
    assert needed(folder, "clip/a.zarr")
    (folder / "sub" / "dvc.yaml").write_text("stages: {extract: {cmd: x, wdir: '${item}'}}\n")
    with pytest.raises(StageError, match=r"the working folder of extract@a is \$\{item\}: pin the stores"):
        references(folder)


@pytest.mark.parametrize("name", [r"a\0b", r"\ud800"])
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("dvc.lock", LOCK.replace("features/clip/a.zarr", '"NAME"')),
        ("a.dvc", 'outs: [{path: "NAME"}]\n'),
        ("a.dvc", 'wdir: "NAME"\nouts: [{path: a}]\n'),
    ],
)
def test_a_name_that_no_file_can_have_is_refused_with_its_file(folder: Path, file: str, text: str, name: str) -> None:
    """The system raises ValueError for such a name; the command called that a bug."""
    (folder / file).write_text(text.replace("NAME", name))
    with pytest.raises(StageError, match=rf"{file} cannot be read .*: repair it first"):
        references(folder)


def test_a_lock_of_the_old_schema_is_read(folder: Path) -> None:
    (folder / "dvc.lock").write_text("extract: {cmd: x, outs: [{path: features/clip/a.zarr, md5: y}]}\n")
    assert needed(folder, "clip/a.zarr")


def test_the_project_is_searched_from_its_root_downwards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".dvc").mkdir()
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "dvc.lock").write_text(LOCK)
    (folder / "deep" / "dvc.lock").write_text(LOCK.replace("clip/a.zarr", "clip/b.zarr"))
    monkeypatch.chdir(folder / "deep" / "er")
    assert needed(folder, "clip/a.zarr")
    assert find_references(folder / "deep" / "features", PARAMS).why(folder / "deep" / "features/clip/b.zarr", "")


def test_the_project_of_the_stores_counts_also_from_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "params.yaml").write_text(
        "encoders: {untrained: untrained}\nrun: {samples: [], datasets: [a], encoders: [untrained], methods: []}\n"
    )
    (folder / "runs" / "r").mkdir(parents=True)
    (folder / "runs" / "r" / "run.json").write_text(json.dumps(run_record(key=KEY, encoder="clip")))
    (folder / "features" / "clip").mkdir(parents=True)
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    for root in (folder / "features", folder / "features" / "clip"):
        result = find_references(root, PARAMS)
        assert result.why(folder / "features" / "untrained" / "a.h5", "")
        assert result.why(folder / "features" / "clip" / "x.zarr", KEY)
        assert not result.why(folder / "features" / "untrained" / "b.h5", "")


def test_runs_need_what_they_were_trained_and_scored_on(folder: Path) -> None:
    run = folder / "runs" / "clip" / "kefer" / "a" / "seed-0"
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps(run_record(key=KEY, encoder="clip", method="kefer")))
    scores = folder / "runs" / "scores" / "clip" / "kefer" / "a" / "seed-0" / "scores.json"
    scores.parent.mkdir(parents=True)
    scores.write_text(json.dumps([score_record("b")]))
    result = references(folder)
    assert result.why(folder / "anywhere.zarr", KEY) == f"{run / 'run.json'}: a head was trained on it"
    assert result.why(folder / "features" / "clip" / "b.zarr", "") == f"{scores}: a head was scored on it"
    assert result.why(folder / "features" / "other" / "b.zarr", "") is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("dvc.lock", "[", "dvc.lock cannot be read"),
        ("dvc.lock", "- a list", "dvc.lock cannot be read"),
        ("a.dvc", "outs: [{md5: x}]", "a.dvc cannot be read"),
        ("run.json", "{", "run.json is damaged"),
    ],
)
def test_what_cannot_be_read_is_an_error_not_a_permission(folder: Path, name: str, text: str, message: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises((StageError, InputError), match=message):
        references(folder)


def test_damaged_scores_and_wrong_parameters_are_errors(folder: Path) -> None:
    run = folder / "runs" / "mini" / "linear-probe" / "a" / "seed-0"
    scores = folder / "runs" / "scores" / "mini" / "linear-probe" / "a" / "seed-0" / "scores.json"
    for path, text in ((run / "run.json", json.dumps(run_record())), (scores, "{")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    with pytest.raises(InputError, match=r"scores\.json is damaged"):
        references(folder)
    scores.unlink()
    (folder / "params.yaml").write_text("rnu: {}")
    with pytest.raises(ParamsError, match="unknown key"):
        references(folder)


def test_without_any_of_them_nothing_may_be_removed(folder: Path) -> None:
    with pytest.raises(StageError, match="nothing names the stores that are needed"):
        references(folder)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "dvc.lock").write_text(LOCK)  # hidden folders are not a project's
    with pytest.raises(StageError, match="nothing names the stores that are needed"):
        references(folder)
