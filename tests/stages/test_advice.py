"""Advice works when it is followed: commands in messages are commands that fer-stage takes."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cache.errors import CacheError, StorageError, StoreMissingError
from cache.hot import _require_room
from cache.store import find_store, open_store
from pipeline.export.card import _environment
from pipeline.tables.samples import _KIND as SAMPLES
from pipeline.tables.samples import SampleTable
from stages.advice import aligned_advice, encoder_named, runnable
from stages.errors import ParamsError
from stages.params import Params
from stages.workflows.neighbors import _ids_of
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]


def advised(message: str) -> list[str]:
    """The words of the first command that a message puts between backquotes."""
    return shlex.split(message.partition("`fer-stage ")[2].partition("`")[0])


def test_a_name_that_limit_made_becomes_the_options_that_made_it(tmp_path: Path) -> None:
    message = "no face table at faces/my.first-12.parquet. Run: fer-stage align --dataset my.first-12"
    assert runnable(message, tmp_path / "none").endswith("Run: fer-stage align --dataset my --limit 12")
    message = "no sample table at x. Run: fer-stage index --dataset my.first-12"
    assert runnable(message, tmp_path / "none").endswith("Run: fer-stage index --dataset my")
    message = "Run: fer-stage extract --dataset my.first-12 --encoder mini --outputs pooled,tokens"
    assert "--dataset my --limit 12 --encoder mini --outputs pooled,tokens" in runnable(message, tmp_path / "none")
    assert runnable("evaluate it with --dataset my.first-12", tmp_path / "none").endswith("--dataset my.first-12")


def test_the_folder_of_an_encoder_is_not_passed_off_as_its_name(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump({"encoders": {"clip": "mini"}, "run": {"encoders": ["clip"]}}))
    for known in ("clip", "mini", "open_clip:ViT-B-32/openai", "NAME"):
        message = f"Run `fer-stage extract --dataset x --encoder {known}` first"
        assert (runnable(message, params) == message) is (known != "NAME")
    message = runnable("Run `fer-stage extract --dataset x --encoder open_clip-ViT-B-32-openai` first", params)
    assert "open_clip-ViT-B-32-openai is the folder of that encoder: give --encoder as it was given" in message


def test_a_store_below_another_root_is_made_there(project: Path, fer_stage: FerStage) -> None:
    message = fer_stage("query", "elsewhere/untrained/sample-a.zarr", code=1)
    fer_stage(*advised(message), "--quiet")
    assert fer_stage("query", "elsewhere/untrained/sample-a.zarr", "--limit", "1", "--format", "json")


def test_an_output_that_a_store_lacks_is_made_by_the_command_in_the_message(project: Path, fer_stage: FerStage) -> None:
    message = fer_stage("query", "features/untrained/sample-a.zarr", "--feature", "tokens", code=1)
    fer_stage(*message.partition("Run: fer-stage ")[2].split(), "--quiet")
    assert fer_stage("query", "features/untrained/sample-a.zarr", "--feature", "tokens", "--format", "json")


@pytest.mark.parametrize("command", ["align", "extract"])
def test_an_unknown_dataset_is_made_known_by_the_command_in_the_message(
    project: Path, fer_stage: FerStage, command: str
) -> None:
    """`align` has no --layout and no --root of its own."""
    shutil.copytree("data/sample-a", "data/mine")
    message = fer_stage(command, "--dataset", "mine", code=1)
    words = message.partition("fer-stage index ")[2].split()
    assert words[:3] == ["--dataset", "mine", "--layout"]
    assert "sample" in words[3].split("|")
    fer_stage("index", "--dataset", "mine", "--layout", "sample", "--root", "data/mine")
    assert fer_stage(command, "--dataset", "mine", "--dry-run", "--format", "json")


def test_an_unfinished_store_below_another_root_is_removed_by_the_command_in_the_message(
    project: Path, fer_stage: FerStage
) -> None:
    from cache.testing.example import Example

    Example().begin(Path("other/mini/x.h5"), [0])
    message = fer_stage("store", "convert", "features/untrained/sample-a.zarr", "other/mini/x.h5", code=1)
    words = message.rpartition("`fer-stage ")[2].partition("`")[0].split()
    assert words == ["store", "gc", "other/mini", "--unfinished"]
    fer_stage(*words)
    fer_stage("store", "convert", "features/untrained/sample-a.zarr", "other/mini/x.h5")


def test_a_head_of_faces_as_they_are_needs_no_such_advice() -> None:
    assert aligned_advice(None, "x", "mini") == ""


# What a folder or a file may be called: a shell would take each as something else.
HOSTILE = ["my faces", "it's", 'a "b"', "$(touch owned)", "`id`", "a;b", "-rf", "a|b", "*", "$HOME", "\\"]


def words_after(message: str, start: str) -> list[str]:
    """The words of the command that ends a message."""
    return shlex.split(message.partition(start)[2])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_path_in_advice_comes_back_from_a_shell_as_it_was_given(
    project: Path, fer_stage: FerStage, name: str
) -> None:
    root = Path(name, "features")
    with pytest.raises(StoreMissingError) as missing:
        find_store(root, "untrained", "sample-a")
    made = ["fer-stage", "extract", "--dataset", "sample-a", "--encoder", "untrained", "--backend", "zarr"]
    command = str(missing.value).partition("Run `")[2].rpartition("` first")[0]
    assert shlex.split(command) == [*made, "--features", str(root)]
    root.parent.mkdir()
    shutil.copytree("features", root)
    store = open_store(root / "untrained" / "sample-a.zarr")
    assert shlex.split(_ids_of(store)) == ["fer-stage", "query", str(store.path), "--columns", "id"]
    with pytest.raises(StorageError) as full:
        _require_room(root / ".hot", 10**18)
    assert words_after(str(full.value), "needs: ") == ["fer-stage", "store", "gc", str(root)]
    assert shlex.split(SAMPLES._command(root / "x.parquet"))[-2:] == ["--tables", str(root)]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_from_elsewhere_in_advice_comes_back_as_it_was_given(name: str) -> None:
    align, _, extract = aligned_advice({"margin": 0.1, "missed": "reject"}, name, name).partition(", then ")
    assert words_after(align, "faces: ") == ["fer-stage", "align", "--dataset", name]
    assert shlex.split(extract)[:6] == ["fer-stage", "extract", "--dataset", name, "--encoder", name]
    with pytest.raises(ParamsError) as refused:
        Params().dataset(f"{name}.first-3")
    assert words_after(str(refused.value), "Write ") == ["--dataset", name, "--limit", "3"]
    card = _environment().from_string("predict --encoder {{ spec|quoted }}").render(spec=f"timm:a@{name}")
    assert shlex.split(card)[-1] == f"timm:a@{name}"


@pytest.mark.parametrize("given", ["open_clip:ViT-B-32@/my weights/a.pt", "timm:a@it's;b.pth", "mini", "timm:a@$(x)"])
def test_an_encoder_is_named_in_advice_as_it_was_given(given: str, tmp_path: Path) -> None:
    with pytest.raises(CacheError) as caught, encoder_named("some-folder", given):
        raise CacheError("Run `fer-stage extract --dataset x --encoder some-folder` or --encoder some-folder-2")
    message = str(caught.value)
    assert advised(message) == ["extract", "--dataset", "x", "--encoder", given]
    assert message.endswith("--encoder some-folder-2")
    assert runnable(f"Run `fer-stage extract --encoder {shlex.quote(given)}`", tmp_path / "none").endswith("`")


def test_the_folder_of_an_encoder_with_a_blank_is_seen_whole(tmp_path: Path) -> None:
    message = runnable("Run `fer-stage extract --dataset x --encoder 'my weights'` first", tmp_path / "none")
    assert "(my weights is the folder of that encoder" in message


def test_a_table_of_another_dataset_is_made_by_the_command_in_the_message(project: Path, fer_stage: FerStage) -> None:
    root = "data/my $(touch owned) faces"
    Path("data/sample-e").rename(root)
    fer_stage("index", "--dataset", "mine", "--layout", "sample", "--root", root)
    table = SampleTable.read(Path("tables/mine.parquet"))
    # Of an earlier version, which did not state how it was made.
    write_table(SampleTable(table.frame, replace(table.info, reader=0, given={})), Path("tables/yours.parquet"))
    words = advised(fer_stage("align", "--dataset", "yours", code=1))
    assert words == ["index", "--dataset", "yours", "--layout", "sample", "--root", root]
    fer_stage(*words)
    assert fer_stage("align", "--dataset", "yours", "--dry-run", "--format", "json")
    Path(root).rename("data/elsewhere")
    shutil.copy("tables/yours.parquet", "tables/mine.parquet")
    assert "expected the sample table of mine, found that of yours" in fer_stage("align", "--dataset", "mine", code=1)
