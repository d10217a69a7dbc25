"""The record of a scan beside the table: written whole, used, refused, and never a reason for another table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trees import pack, picture

import stages
from pipeline.datasets.scan_record import ScanRecord
from pipeline.progress import Progress

FerStage = Callable[..., Any]
FILES = {f"train/{label}/{i}.png": picture(i) for label in ("fear", "anger") for i in range(5)}
RECORD, TABLE = Path("tables/d.scan"), Path("tables/d.parquet")
ARGS = ("index", "--dataset", "d", "--layout", "folder", "--root", "root.folder")


@pytest.fixture
def root(empty: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("pipeline.datasets.digests.MARGIN_NS", -(10**12))  # the files of a test are always young
    return pack(FILES, empty, "folder")


def counts(fer_stage: FerStage, *args: str) -> list[int]:
    scan = fer_stage(*ARGS, *args, "--format", "json")["scan"]
    return [scan[name] for name in ("files", "unchanged", "read")]


def test_a_second_index_reads_what_changed_and_says_so(
    root: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert counts(fer_stage) == [10, 0, 10]
    before = TABLE.read_bytes()
    assert counts(fer_stage) == [10, 10, 0]
    assert TABLE.read_bytes() == before
    (root / "train/fear/0.png").write_bytes(picture(77))
    assert counts(fer_stage) == [10, 9, 1]
    assert TABLE.read_bytes() != before
    assert stages.index("d", layout="folder", root=root, quiet=True).scan.read == 0


def test_the_note_names_the_counts(root: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]) -> None:
    fer_stage(*ARGS)
    assert stages.cli.run(list(ARGS)) == 0
    assert "note: scan: 10 files, 10 unchanged, 0 read\n" in capsys.readouterr().err


def test_all_files_are_read_if_requested(root: Path, fer_stage: FerStage) -> None:
    fer_stage(*ARGS)
    assert counts(fer_stage, "--read-all") == [10, 0, 10]
    assert counts(fer_stage) == [10, 10, 0]


def test_the_record_outlives_its_table_which_dvc_deletes_before_it_runs_a_stage(
    root: Path, fer_stage: FerStage
) -> None:
    fer_stage(*ARGS)
    before = TABLE.read_bytes()
    TABLE.unlink()
    assert counts(fer_stage) == [10, 10, 0]
    assert TABLE.read_bytes() == before


def test_extract_uses_it_too(root: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]) -> None:
    fer_stage(*ARGS)
    TABLE.unlink()
    args = ["extract", "--dataset", "d", "--layout", "folder", "--root", "root.folder", "--dry-run"]
    assert stages.cli.run(args) == 0
    assert "scan: 10 files, 10 unchanged, 0 read" in capsys.readouterr().err
    assert not TABLE.exists()


def test_a_dry_run_writes_none(root: Path, fer_stage: FerStage) -> None:
    assert counts(fer_stage, "--dry-run") == [10, 0, 10]
    assert not Path("tables").exists()


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"", lambda data: data[:40] + data[44:]])
def test_a_damaged_one_is_named_and_replaced(
    root: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str], damage: Callable[[bytes], bytes]
) -> None:
    fer_stage(*ARGS)
    RECORD.write_bytes(damage(RECORD.read_bytes()))
    capsys.readouterr()
    assert stages.cli.run(list(ARGS)) == 0
    assert "note: the record of an earlier scan is not used, and all files are read: " in capsys.readouterr().err
    assert counts(fer_stage) == [10, 10, 0]


def test_one_of_another_root_is_not_used(root: Path, fer_stage: FerStage) -> None:
    fer_stage(*ARGS)
    root.rename("moved")
    scan = fer_stage(*ARGS[:-1], "moved", "--format", "json")["scan"]
    assert scan["read"] == 10


def test_one_of_another_program_is_not_used(root: Path, fer_stage: FerStage, monkeypatch: pytest.MonkeyPatch) -> None:
    fer_stage(*ARGS)
    monkeypatch.setattr("pipeline.datasets.scan_record.program_version", lambda: "0.0.1")
    assert counts(fer_stage) == [10, 0, 10]


def test_a_record_that_cannot_be_written_costs_no_table(
    root: Path, fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    RECORD.mkdir(parents=True)
    assert stages.cli.run(list(ARGS)) == 0
    assert "note: the next scan reads all files again: " in capsys.readouterr().err
    assert TABLE.exists()


def test_an_error_leaves_what_was_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.what == "images" and progress.done == 10:
            raise KeyboardInterrupt

    from stages.requests import IndexRequest
    from stages.workflows.index import index

    with pytest.raises(KeyboardInterrupt):
        index(IndexRequest("d", layout="folder", root=root), interrupt)
    assert not TABLE.exists()
    assert len(ScanRecord.read(RECORD, root)) == 10
    assert sorted(path.name for path in Path("tables").iterdir()) == [RECORD.name]
