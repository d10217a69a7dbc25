"""`index` lists the rows that it rejects beside the table, and only while there are some."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trees.tree import lines, pack, picture

from pipeline.datasets.index import index_dataset
from stages.cli import run

FerStage = Callable[..., Any]
LISTED = Path("tables/mine.rejected.csv")
ROWS = ("path,label", "a.png,fear", "b.png,anger", "=c.png,happy", "d.png,sad")
INDEX = ("index", "--dataset", "mine", "--layout", "csv", "--root", "root.folder")


@pytest.fixture
def half_unpacked(empty: Path) -> Path:
    return pack({"labels.csv": lines(*ROWS), "a.png": picture(1), "d.png": b""}, empty, "folder")


def listed() -> list[dict[str, str]]:
    with LISTED.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_rejected_row_is_listed_with_its_reason(half_unpacked: Path, fer_stage: FerStage) -> None:
    fer_stage(*INDEX)
    assert listed() == [
        {"id": "'=c.png", "path": "'=c.png", "reason": "file is missing"},  # a spreadsheet would take it for a formula
        {"id": "b.png", "path": "b.png", "reason": "file is missing"},
        {"id": "d.png", "path": "d.png", "reason": "file is empty"},
    ]


def test_a_note_names_the_list(half_unpacked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(list(INDEX)) == 0
    assert f"3 of 4 rows are rejected: {LISTED} lists them" in " ".join(capsys.readouterr().err.split())


def test_the_list_goes_when_no_row_is_rejected_any_more(half_unpacked: Path, fer_stage: FerStage) -> None:
    fer_stage(*INDEX)
    for i, name in enumerate(("b.png", "=c.png", "d.png"), start=2):
        (half_unpacked / name).write_bytes(picture(i))
    fer_stage(*INDEX)
    assert Path("tables/mine.parquet").exists()
    assert not LISTED.exists()


def test_a_whole_dataset_has_no_list(empty: Path, fer_stage: FerStage) -> None:
    pack({"labels.csv": lines(*ROWS[:2]), "a.png": picture(1)}, empty, "folder")
    fer_stage(*INDEX)
    assert Path("tables/mine.parquet").exists()
    assert not LISTED.exists()


def test_a_dry_run_writes_and_removes_no_list(half_unpacked: Path, fer_stage: FerStage) -> None:
    fer_stage(*INDEX, "--dry-run")
    assert not Path("tables").exists()
    fer_stage(*INDEX)
    before = LISTED.read_bytes()
    (half_unpacked / "labels.csv").write_bytes(lines(*ROWS[:2]))
    fer_stage(*INDEX, "--dry-run")
    assert LISTED.read_bytes() == before


def test_extract_that_indexes_writes_the_list_too(half_unpacked: Path, fer_stage: FerStage) -> None:
    stated = ("--layout", "csv", "--root", "root.folder", "--decoders", "1", "--max-rejected", "1")
    fer_stage("extract", "--dataset", "mine", *stated)
    assert len(listed()) == 3


def test_the_list_has_the_rows_of_the_table(half_unpacked: Path, fer_stage: FerStage) -> None:
    fer_stage(*INDEX)
    frame = index_dataset("mine", "csv", half_unpacked, {}).frame
    rejected = frame[frame["status"] == "rejected"]
    assert [row["reason"] for row in listed()] == rejected["reason"].tolist()
