"""fer-stage datasets: the list, and what is known of one dataset."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stages
from pipeline.datasets.drawn import STYLES
from pipeline.datasets.layouts import LAYOUTS
from stages.cli import run

FerStage = Callable[..., Any]


def test_about_has_licence_codes_counts_and_options(empty: Path, fer_stage: FerStage) -> None:
    about = fer_stage("datasets", "--about", "raf-db", "--format", "json")
    assert about["layout"] == "raf-db"
    assert about["licence"].startswith("For research by agreement")
    assert "1 surprise, 2 fear" in about["label_codes"]
    (counts,) = about["counts"]
    assert sum(counts["labels"]["train"].values()) == 12_271
    assert sum(counts["labels"]["test"].values()) == 3_068
    assert (about["options"]["classes"]["default"], about["options"]["classes"]["choices"]) == (7, [7, 8])
    assert about["traps"]


def test_about_for_people_is_one_line_a_fact(empty: Path, fer_stage: FerStage) -> None:
    text = fer_stage("datasets", "--about", "raf-db")
    assert "train 12,271 (surprise 1,290, fear 281," in text
    assert "\\n" not in text
    assert " trap 1 " in text
    assert " option val_fraction " in text


def test_about_a_name_of_params_is_about_its_layout(empty: Path, fer_stage: FerStage) -> None:
    (empty / "params.yaml").write_text("datasets:\n  mine: {layout: ferplus, root: data}\n")
    assert fer_stage("datasets", "--about", "mine", "--format", "json")["title"] == "FERPlus (FER+)"
    result = stages.datasets(about="mine")
    assert [row.name for row in result.datasets] == ["mine"]
    assert result.about is not None
    assert result.about.facts is LAYOUTS["ferplus"].facts  # type: ignore[attr-defined]


def test_a_layout_of_many_datasets_has_options_and_no_facts(empty: Path, fer_stage: FerStage) -> None:
    about = fer_stage("datasets", "--about", "folder", "--format", "json")
    assert "codes" in about["options"]
    assert "raf-compound" in about["options"]["classes"]["choices"]
    assert "licence" not in about
    assert stages.datasets().about is None


def test_an_unknown_name_is_an_error_that_suggests_one(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["datasets", "--about", "affectnt"]) == 1
    assert "Did you mean 'affectnet'?" in capsys.readouterr().err


def test_an_error_about_an_unknown_name_has_every_known_one_once(
    empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["datasets", "--about", "zzz"]) == 1
    words = re.findall(r"[\w-]+", capsys.readouterr().err)
    assert {name: words.count(name) for name in [*STYLES, *LAYOUTS]} == dict.fromkeys([*STYLES, *LAYOUTS], 1)
