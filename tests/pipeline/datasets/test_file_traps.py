"""What editors, systems and half-finished copies do to the files of a dataset changes no label, and is never silent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import pytest
from trees import lab, listed_faces
from trees.tree import Tree, pack

from pipeline.datasets.index import index_dataset
from pipeline.tables.samples import SampleTable

TREES = lab.TREES | listed_faces.TREES
WITH_LISTS = ["ck_plus_sequences", "ck_plus_folds", "expw", "afe", "caer_s_faces"]
WITH_SPACES = ["ck_plus_folds", "expw"]  # between the fields of their lists
BOM = b"\xef\xbb\xbf"
Files = Mapping[str, bytes]


def is_picture(data: bytes) -> bool:
    return data[1:4] == b"PNG"


def with_texts(files: Files, change: Callable[[bytes], bytes]) -> dict[str, bytes]:
    return {name: data if is_picture(data) else change(data) for name, data in files.items()}


def plain(data: bytes) -> bytes:
    return data.removeprefix(BOM).replace(b"\r\n", b"\n")


def table_of(tree: Tree, files: Files, folder: Path) -> SampleTable:
    return index_dataset("d", tree.layout, pack(files, folder, "folder"), tree.options)


def rows_of(table: SampleTable) -> list[dict[str, object]]:
    return table.frame.astype(object).where(table.frame.notna(), None).to_dict("records")


@pytest.fixture(params=WITH_LISTS)
def listed(request: pytest.FixtureRequest) -> Tree:
    return TREES[request.param]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: BOM + data, id="byte-order mark"),
        pytest.param(lambda data: data.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda data: data.replace(b"\n", b" \t\n"), id="spaces at the ends of lines"),
        pytest.param(lambda data: data + b"\n\n \n", id="empty lines at the end"),
        pytest.param(lambda data: data.removesuffix(b"\n"), id="no end of the last line"),
    ],
)
def test_what_editors_do_to_a_list_changes_nothing(
    listed: Tree, change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    expected = table_of(listed, with_texts(listed.files, plain), tmp_path / "plain")
    changed = table_of(listed, with_texts(listed.files, lambda data: change(plain(data))), tmp_path / "changed")
    assert rows_of(changed) == rows_of(expected)


@pytest.mark.parametrize("name", WITH_SPACES)
def test_tabs_are_as_good_as_spaces(name: str, tmp_path: Path) -> None:
    tree = TREES[name]
    changed = table_of(tree, with_texts(tree.files, lambda data: data.replace(b" ", b"\t")), tmp_path / "tabs")
    assert rows_of(changed) == rows_of(table_of(tree, tree.files, tmp_path / "plain"))


@pytest.mark.parametrize("name", TREES)
def test_suffixes_in_capitals_change_no_label(name: str, tmp_path: Path) -> None:
    tree = TREES[name]
    files = {
        str(PurePosixPath(name).with_suffix(PurePosixPath(name).suffix.upper())) if is_picture(data) else name: data
        for name, data in tree.files.items()
    }
    frame = table_of(tree, files, tmp_path).frame
    assert {Path(key).with_suffix("").as_posix() for key in frame["id"]} == {
        Path(key).with_suffix("").as_posix() for key in tree.samples
    }
    assert sorted(zip(frame["label"], frame["reason"], strict=True)) == sorted(
        (label, tree.rejected.get(key, "")) for key, (label, _) in tree.samples.items()
    )


@pytest.mark.parametrize("name", [name for name in WITH_LISTS if name != "ck_plus_folds"])  # it names no files
def test_a_half_unpacked_archive_leaves_every_listed_row(name: str, tmp_path: Path) -> None:
    listed = TREES[name]
    pictures = [name for name, data in listed.files.items() if is_picture(data)]
    whole = table_of(listed, listed.files, tmp_path / "whole")
    there = set(pictures[: len(pictures) // 2])
    files = {name: data for name, data in listed.files.items() if name not in pictures or name in there}
    half = table_of(listed, files, tmp_path / "half")
    assert set(half.usable["path"]) <= there
    assert set(half.frame["id"]) == set(whole.frame["id"])
    assert half.summary()["rejected"]["file is missing"] > whole.summary()["rejected"]["file is missing"]


@pytest.mark.parametrize("name", TREES)
def test_links_in_a_circle_end(name: str, tmp_path: Path) -> None:
    tree = TREES[name]
    root = pack(tree.files, tmp_path, "folder")
    expected = rows_of(index_dataset("d", tree.layout, root, tree.options))
    (root / "circle").symlink_to(root, target_is_directory=True)
    folder = next(path for path in root.rglob("*") if path.is_dir() and path.name != "circle")
    (folder / "up").symlink_to(folder, target_is_directory=True)
    assert rows_of(index_dataset("d", tree.layout, root, tree.options)) == expected
