"""Lists of paths and labels without a header: which file is which split, where paths begin, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import TREES, pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts.ferbench import FerBench
from pipeline.errors import ConfigError, DatasetError
from pipeline.tables.samples import SampleTable

FACES = {"a.png": picture(1), "b.png": picture(2), "c.png": picture(3)}


def index(files: dict[str, bytes], folder: Path, layout: str = "list", **options: object) -> SampleTable:
    return index_dataset("d", layout, pack(files, folder, "folder"), options)


class TestLists:
    def test_splits_have_their_usual_names(self, tmp_path: Path) -> None:
        files = FACES | {"x.txt": b"a.png fear\n", "y.txt": b"b.png fear\n", "z.txt": b"c.png anger\n"}
        lists = {"Training": "x.txt", "valid": "y.txt", "PrivateTest": "z.txt"}
        frame = index(files, tmp_path, lists=lists).frame
        assert frame["split"].tolist() == ["train", "val", "test"]

    def test_one_list_for_all_is_carved(self, tmp_path: Path) -> None:
        files = FACES | {"train.txt": b"a.png fear\n", "names.txt": b"a.png fear\nb.png anger\n"}
        table = index(files, tmp_path, lists={"all": "names.txt"}, val_fraction=0, test_fraction=0)
        assert table.frame["split"].tolist() == ["train", "train"]

    def test_a_list_of_all_is_not_read_beside_those_of_splits(self, tmp_path: Path) -> None:
        files = FACES | {"train.txt": b"a.png fear\n", "list.txt": b"a.png fear\nb.png anger\n"}
        assert index(files, tmp_path, test_fraction=0).frame["id"].tolist() == ["a.png"]

    @pytest.mark.parametrize(
        ("lists", "message"),
        [
            ({"dev": "x.txt"}, "expected train, val, test, all, found 'dev'"),
            ({"val": "x", "valid": "y"}, "one file for"),
        ],
    )
    def test_an_unknown_split_is_refused(self, lists: dict[str, str], message: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=message):
            index(FACES, tmp_path, lists=lists)

    def test_a_list_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"found no 'y\.txt'\. Correct the option"):
            index(FACES | {"x.txt": b"a.png fear\n"}, tmp_path, lists={"train": "x.txt", "test": "y.txt"})

    def test_an_empty_list_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"train\.txt: expected lines `path label`, found none"):
            index(FACES | {"train.txt": b"\n \n"}, tmp_path)


class TestPaths:
    def test_two_spellings_of_one_file_are_one_picture(self, tmp_path: Path) -> None:
        files = {"a/x.jpg": picture(1), "a/y.jpg": picture(2), "B/z.jpg": picture(3), "b/z.jpg": picture(4)}
        train = b"a/x.jpg fear\nA/X.JPG anger\na/y.jpg fear\na/Y.jpg fear\nB/z.jpg fear\nb/z.jpg anger\n"
        frame = index(files | {"train.txt": train}, tmp_path, val_fraction=0, test_fraction=0).frame
        reasons = dict(zip(frame["id"], frame["reason"], strict=True))
        assert reasons == {"a/x.jpg": "conflicting rows", "a/y.jpg": "", "B/z.jpg": "", "b/z.jpg": ""}

    def test_the_nearest_folder_that_has_the_file_is_meant(self, tmp_path: Path) -> None:
        files = {"set/a.png": picture(1), "set/lists/b.png": picture(2), "b.png": picture(3), "c/c.png": picture(4)}
        files |= {"set/lists/train.txt": b"a.png fear\nb.png fear\nc/c.png fear\nno.png fear\n"}
        paths = index(files, tmp_path, test_fraction=0).frame.set_index("id")["path"]
        assert paths.to_dict() == {
            "a.png": "set/a.png",
            "b.png": "set/lists/b.png",
            "c/c.png": "c/c.png",
            "no.png": "set/lists/no.png",
        }

    def test_the_folder_of_the_images_can_be_named(self, tmp_path: Path) -> None:
        files = {"set/imgs/a.png": picture(1), "set/a.png": picture(2), "set/train.txt": b"a.png fear\n"}
        frame = index(files, tmp_path, images="imgs/", test_fraction=0).frame
        assert frame["path"].tolist() == ["set/imgs/a.png"]

    @pytest.mark.parametrize("path", ["/data/a.png", "../a.png", "x/../../a.png", "C:\\data\\a.png"])
    def test_a_path_outside_the_root_is_refused_with_its_line(self, path: str, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"train\.txt, line 2: expected a path inside the root"):
            index(FACES | {"train.txt": f"a.png fear\n{path} fear\n".encode()}, tmp_path)

    @pytest.mark.parametrize("line", ["a.png", "fear", " , fear"])
    def test_a_line_without_two_fields_is_refused(self, line: str, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"train\.txt, line 1: expected `path label`, found"):
            index(FACES | {"train.txt": f"{line}\n".encode()}, tmp_path)


class TestFerBench:
    def test_published_counts_add_up(self) -> None:
        """3,068 + 3,573 + 4,000 + 431 = 11,072."""
        sums = [sum(release.labels["test"].values()) for release in FerBench.facts.counts]
        assert sums == [3_068, 3_573, 4_000, 431, 11_072]

    def test_its_numbers_need_a_code_map(self, tmp_path: Path) -> None:
        tree = TREES["ferbench"]
        options = {name: value for name, value in tree.options.items() if name != "codes"}
        with pytest.raises(Exception, match="codes=NAME"):
            index(dict(tree.files), tmp_path, "ferbench", **options)
