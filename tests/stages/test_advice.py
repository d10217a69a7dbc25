"""Advice works when it is followed: commands in messages are commands that fer-stage takes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.advice import aligned_advice, runnable

FerStage = Callable[..., Any]


def advised(message: str) -> list[str]:
    """The words of the first command that a message puts between backquotes."""
    return message.partition("`fer-stage ")[2].partition("`")[0].split()


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
