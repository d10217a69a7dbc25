"""A system that cannot read files now makes no rejected rows, and calls no archive damaged."""

from __future__ import annotations

import os
import resource
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.roots import open_root
from pipeline.errors import DatasetError, ImageError, TableError
from pipeline.tables.samples import SampleTable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label in ("fear", "anger"):
        for i in range(4):
            path = tmp_path / "data" / "train" / label / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8, 3), 40 * i + len(label), np.uint8)).save(path)
    return tmp_path / "data"


@pytest.fixture
def no_more_files() -> Iterator[None]:
    """This process may open no further file: what a network drive or a long run does to every image at once."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(held), limit[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    os.close(held[0])


def test_images_that_the_system_cannot_open_now_are_an_error_and_no_rejected_rows(
    folder: Path, no_more_files: None
) -> None:
    with open_root(folder) as root, pytest.raises(DatasetError, match=r"Too many open files. No image was rejected"):
        root.read("train/fear/0.png")


def test_an_archive_that_the_system_cannot_open_now_is_not_called_damaged(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*.png")):
            file.write(path, path.relative_to(folder))
    request.getfixturevalue("no_more_files")
    with pytest.raises(DatasetError, match="Too many open files") as caught, open_root(archive):
        pass
    assert "damaged" not in str(caught.value)


def test_a_link_in_a_circle_is_a_fact_of_that_file(folder: Path) -> None:
    (folder / "train/fear/round.png").symlink_to("round.png")
    with open_root(folder) as root, pytest.raises(ImageError):
        root.read("train/fear/round.png")


def test_a_table_that_may_not_be_read_is_not_called_no_parquet(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = tmp_path / "my.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(TableError, match="is not a Parquet file"):
        SampleTable.read(path)
    request.getfixturevalue("no_more_files")
    with pytest.raises(TableError, match=r"cannot be read: .*[Tt]oo many open files") as caught:
        SampleTable.read(path)
    assert "not a Parquet" not in str(caught.value)
