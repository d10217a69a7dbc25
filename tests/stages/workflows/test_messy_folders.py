"""Folders as people have them: half extracted, with files of the system, odd suffixes and links in circles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trees import pack, picture

import cache

FerStage = Callable[..., Any]
OF_FOLDER = ("--dataset", "d", "--layout", "folder", "--root", "root.folder")


@pytest.fixture
def root(empty: Path) -> Path:
    return pack(
        {f"train/{label}/{i}.png": picture(i) for label in ("fear", "anger") for i in range(4)}, empty, "folder"
    )


def test_a_half_extracted_folder_has_rejected_rows_and_no_lost_ones(root: Path, fer_stage: FerStage) -> None:
    (root / "train/fear/empty.png").touch()
    (root / "train/fear/partial.png").write_bytes(picture(9)[:40])
    indexed = fer_stage("index", *OF_FOLDER, "--format", "json")
    assert indexed["rows"] == 10
    assert indexed["rejected"] == {"file is empty": 1}  # pictures are not decoded
    args = ("--encoder", "untrained", "--decoders", "1", "--max-rejected", "1", "--format", "json")
    extracted = fer_stage("extract", "--dataset", "d", *args)
    assert (extracted["rows"], extracted["rejected"]) == (10, 2)
    frame = cache.open(extracted["path"]).frame.set_index("path")
    assert frame["reason"]["train/fear/empty.png"] == "file is empty"
    assert frame["status"]["train/fear/partial.png"] == "rejected"


def test_files_of_the_system_are_no_images_and_suffixes_have_any_case(root: Path, fer_stage: FerStage) -> None:
    for name in (".DS_Store", "train/.DS_Store", "train/fear/.DS_Store", "train/fear/Thumbs.db", "train/fear/._0.png"):
        (root / name).write_bytes(b"Bud1")
    (root / "train/fear/UPPER.PNG").write_bytes(picture(20))
    (root / "train/fear/Mixed.JpEg").write_bytes(picture(21))
    indexed = fer_stage("index", *OF_FOLDER, "--format", "json")
    assert indexed["labels"]["fear"] == 6
    assert (indexed["unread_files"], indexed["unread_images"]) == ({}, {})


def test_links_in_circles_end_and_are_counted(root: Path, fer_stage: FerStage) -> None:
    (root / "train/fear/up").symlink_to("../..")
    (root / "train/fear/self.png").symlink_to("self.png")
    (root / "train/fear/to.png").symlink_to("../anger/back.png")
    (root / "train/anger/back.png").symlink_to("../fear/to.png")
    indexed = fer_stage("index", *OF_FOLDER, "--format", "json")
    assert indexed["rejected"] == {"file cannot be read": 3}
    assert sum(indexed["labels"].values()) == 8
