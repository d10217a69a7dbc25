"""ExpW, AFE and CAER-S: boxes in the order of their lists, several faces a picture, lists of faces beside scenes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from trees.listed_faces import afe, caer_s, caer_s_faces
from trees.tree import images_of, lines, pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.layouts.expw import Expw
from pipeline.datasets.reading.base import parse_options
from pipeline.datasets.roots import open_root
from pipeline.errors import ConfigError, DatasetError, LabelError
from pipeline.tables.samples import SampleTable

LIST = "data/label/label.lst"
CODES = dict(enumerate(("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")))


def table_of(layout: str, files: Mapping[str, bytes], folder: Path, **options: Any) -> SampleTable:
    return index_dataset("d", layout, pack(files, folder, "folder"), options)


def expw_of(rows: list[str], folder: Path, **options: Any) -> SampleTable:
    images = " ".join(dict.fromkeys(f"data/image/origin/{row.split()[0]}" for row in rows))
    return table_of("expw", images_of(images) | {LIST: lines(*rows)}, folder, **options)


class TestExpw:
    def test_the_box_is_top_left_right_bottom(self, tmp_path: Path) -> None:
        """Top 10, left 20, right 50, bottom 30: x 20, y 10, width 30, height 20."""
        frame = expw_of(["a.jpg 0 10 20 50 30 99 3"], tmp_path).frame
        assert tuple(frame["box"][0]) == (20, 10, 30, 20)

    def test_codes_are_those_of_the_last_field(self, tmp_path: Path) -> None:
        rows = [f"a{code}.jpg 0 0 0 5 5 {code} {code}" for code in CODES]
        frame = expw_of(rows, tmp_path).frame
        assert dict(zip(frame["id"], frame["label"], strict=True)) == {f"a{c}.jpg#0": name for c, name in CODES.items()}

    def test_the_faces_of_a_picture_are_in_one_split(self, tmp_path: Path) -> None:
        rows = [f"crowd{i}.jpg {face} 0 {face} 5 5 90 {face}" for i in range(40) for face in range(3)]
        frame = expw_of(rows, tmp_path).frame
        assert len(frame) == 120
        assert set(frame["split"]) == {"train", "val", "test"}
        assert frame.groupby("path")["split"].nunique().max() == 1

    def test_no_face_is_left_out_by_its_confidence(self, tmp_path: Path) -> None:
        rows = ["a.jpg 0 0 0 5 5 0.01 3", "b.jpg 0 0 0 5 5 60 3", "c.jpg 0 0 0 5 5 59.99 3"]
        assert len(expw_of(rows, tmp_path)) == 3

    def test_faces_below_a_confidence_are_left_out_and_counted(self, tmp_path: Path) -> None:
        rows = ["a.jpg 0 0 0 5 5 0.01 3", "b.jpg 0 0 0 5 5 60 3", "c.jpg 0 0 0 5 5 59.99 3"]
        table = expw_of(rows, tmp_path, min_confidence=60)
        assert table.frame["id"].tolist() == ["b.jpg#0"]
        assert table.info.excluded == {"confidence below 60": 2}
        assert dict(table.info.unread_images) == {}

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ("{name} 0 {left} {right} {top} {bottom} 9 3", r"The order left right top bottom fits 20 of them"),
            ("{name} 0 {bottom} {right} {left} {top} 9 3", r"No order of four edges fits"),
            ("{name} 0 {left} {top} 30 40 9 3", r"they may be left top width height"),
        ],
    )
    def test_boxes_in_another_order_are_refused_with_the_one_that_fits(
        self, row: str, words: str, tmp_path: Path
    ) -> None:
        edges = {"left": 300, "top": 200, "right": 360, "bottom": 280}
        rows = [row.format(name=f"{i}.jpg", **{k: v + i for k, v in edges.items()}) for i in range(20)]
        with pytest.raises(DatasetError, match=r"expected boxes as top left right bottom, found .* 20 of 20") as caught:
            expw_of(rows, tmp_path)
        assert words in str(caught.value)

    def test_a_few_turned_boxes_are_rejected_rows(self, tmp_path: Path) -> None:
        rows = ["a.jpg 0 0 0 5 5 9 3", "b.jpg 0 0 0 5 5 9 3", "c.jpg 0 5 5 0 0 9 3"]
        frame = expw_of(rows, tmp_path).frame.set_index("id")
        assert frame["reason"].to_dict() == {"a.jpg#0": "", "b.jpg#0": "", "c.jpg#0": "box without area"}

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ("a.jpg 0 0 0 5 5 3", r"expected lines of 8 fields such as .*found 1 others: 'line 2: a.jpg 0 0 0 5 5 3'"),
            ("a.jpg 0 0 0 5 5 9 3 1", r"expected lines of 8 fields such as .*found 1 others"),
            ("a.jpg 0 0 0 5 x 9 3", r"label.lst, line 2: expected a box of four numbers"),
            ("a.jpg 0 0 0 5 5 high 3", r"label.lst, line 2: expected a number as confidence, found 'high'"),
            ("a.jpg 0 0 0 5 nan 9 3", r"line 2: expected a box of four numbers"),
        ],
    )
    def test_a_damaged_line_is_named(self, row: str, words: str, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=words):
            expw_of(["b.jpg 0 0 0 5 5 9 3", row], tmp_path)

    def test_names_with_spaces_and_quoted_fields_are_read(self, tmp_path: Path) -> None:
        files = {"data/image/origin/a man, angry.jpg": picture(1), LIST: b'"a man, angry.jpg" "0" 0 0 "5" 5 9.5 "0"\n'}
        frame = table_of("expw", files, tmp_path).frame
        assert frame[["id", "label", "reason"]].values.tolist() == [["a man, angry.jpg#0", "anger", ""]]

    def test_the_list_may_be_beside_the_pictures(self, tmp_path: Path) -> None:
        files = images_of("origin/a.jpg") | {"label.lst": lines("a.jpg 0 0 0 5 5 9 3", "b.jpg 0 0 0 5 5 9 3")}
        frame = table_of("expw", files, tmp_path).frame
        assert dict(zip(frame["path"], frame["reason"], strict=True)) == {
            "origin/a.jpg": "",
            "origin/b.jpg": "file is missing",
        }

    def test_the_published_counts_add_up(self) -> None:
        assert sum(Expw.facts.counts[0].labels[""].values()) == 91_793

    def test_a_half_unpacked_archive_counts_what_is_missing(self, tmp_path: Path) -> None:
        rows = [f"{i}.jpg 0 0 0 5 5 9 3" for i in range(10)]
        files = images_of("data/image/origin/0.jpg data/image/origin/1.jpg") | {LIST: lines(*rows)}
        table = table_of("expw", files, tmp_path)
        assert Counter(table.frame["reason"]) == {"": 2, "file is missing": 8}
        assert table.frame["path"][2] == "data/image/origin/2.jpg"


class TestAfe:
    def test_train_and_test_are_the_lists_and_val_is_carved(self, tmp_path: Path) -> None:
        rows = [f"film/{i}.jpg 0 0 5 5 {i % 7}" for i in range(70)]
        files = images_of(" ".join(f"src/image/film/{i}.jpg" for i in range(70)))
        files |= {"annos/TrainTest/Train.csv": lines(*rows[:60]), "annos/TrainTest/Test.csv": lines(*rows[60:])}
        frame = table_of("afe", files, tmp_path).frame
        assert (frame["split"] == "test").sum() == 10
        assert 0 < (frame["split"] == "val").sum() < 20

    def test_codes_are_alphabetical(self, tmp_path: Path) -> None:
        order = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
        rows = [f"f/{code}.jpg 0 0 5 5 {code}" for code in range(7)]
        files = images_of(" ".join(f"f/{code}.jpg" for code in range(7))) | {"annos/TrainTest/Train.csv": lines(*rows)}
        frame = table_of("afe", files, tmp_path).frame
        assert tuple(frame.sort_values("path")["label"]) == order

    def test_another_order_of_the_box_is_refused(self, tmp_path: Path) -> None:
        name = "annos/TrainTest/Train.csv"
        rows = [f"film a/1.jpg {300 + i} {360 + i} {200 + i} {280 + i} 3" for i in range(9)]
        with pytest.raises(
            DatasetError, match=r"expected boxes as left top right bottom.*order left right top bottom fits 9"
        ):
            table_of("afe", {**afe().files, name: lines(*rows)}, tmp_path)

    @pytest.mark.parametrize("path", ["../1.jpg", "/data/1.jpg"])
    def test_paths_that_leave_the_root_are_refused(self, path: str, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="expected paths relative to the images' folder, found 1 others"):
            table_of("afe", {"annos/TrainTest/Train.csv": lines(f"{path} 0 0 5 5 3")}, tmp_path)


class TestCaerS:
    def test_by_default_the_picture_is_the_scene(self, tmp_path: Path) -> None:
        table = table_of("caer-s", caer_s_faces().files, tmp_path)
        assert "box" not in table.frame
        assert table.info.release == "whole scenes"
        assert len(table) == len(caer_s().samples)

    def test_a_list_gives_boxes_of_edges(self, tmp_path: Path) -> None:
        frame = table_of("caer-s", caer_s_faces().files, tmp_path, faces="list").frame.set_index("id")
        assert tuple(frame["box"]["train/Anger/0001.png"]) == (1, 0, 4, 4)
        assert tuple(frame["box"]["train/Happy/0001.png"]) == (0, 0, 4, 4)

    def test_a_box_belongs_to_the_picture_of_its_own_split(self, tmp_path: Path) -> None:
        """train/Anger/0001.png and test/Anger/0001.png are two pictures; some lists leave the split's folder out."""
        files = dict(caer_s_faces().files)
        files["CAER-S/train.txt"] = lines("Anger/0001.png,0,1,0,5,4")
        files["CAER-S/test.txt"] = lines("Anger/0001.png,0,0,0,6,6")
        frame = table_of("caer-s", files, tmp_path, faces="list").frame.set_index("id")
        assert {name: tuple(box) for name, box in frame["box"].items()} == {
            "train/Anger/0001.png": (1, 0, 4, 4),
            "test/Anger/0001.png": (0, 0, 6, 6),
        }

    def test_without_a_list_the_option_is_refused(self, tmp_path: Path) -> None:
        files = {name: data for name, data in caer_s_faces().files.items() if not name.endswith("test.txt")}
        with pytest.raises(DatasetError, match=r"found none for test. Add test.txt, or set the option faces to scene"):
            table_of("caer-s", files, tmp_path, faces="list")

    @pytest.mark.parametrize(
        ("rows", "words"),
        [
            (["Anger/0001.png 0 1 0 5 4"], r"expected lines of 6 fields such as .*found 1 others"),
            (["0001.png,0,1,0,5,4"], r"expected paths with their class folder, such as train/Anger/0001.png, found 1"),
            (["Anger/0001.png,0,1,0,5,4", "Happy/0001.png,0,1,0,5,4"], r"line 2: .*found 0 for Anger/ and Happy/"),
            (
                ["Anger/0001.png,0,1,0,5,4"] * 2,
                r"expected one face of every picture, found 1 pictures with more: 'Anger/0001.png'",
            ),
            (["Anger/0001.png,0,5,0,1,4"], r"expected boxes as left top right bottom"),
        ],
    )
    def test_another_list_is_refused(self, rows: list[str], words: str, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=words):
            table_of("caer-s", {**caer_s_faces().files, "CAER-S/train.txt": lines(*rows)}, tmp_path, faces="list")

    def test_lists_that_are_read_are_not_called_unread(self, tmp_path: Path) -> None:
        files = {"train.txt": lines("Anger/1.png,0,1,0,5,4"), "test.txt": lines("Anger/1.png,0,1,0,5,4")}
        pictures = {f"{split}/Anger/1.png": picture(shade) for shade, split in enumerate(("train", "test"))}
        read = {**files, **pictures, "other.txt": b""}
        assert table_of("caer-s", read, tmp_path, faces="list").info.unread_files == {".txt": 1}
        assert table_of("caer-s", read, tmp_path).info.unread_files == {".txt": 3}

    def test_the_list_of_another_split_is_refused(self, tmp_path: Path) -> None:
        """Both splits have a picture Anger/0001.png: its box would be that of the other one."""
        files = {**caer_s_faces().files, "CAER-S/test.txt": lines("train/Anger/0001.png,0,1,0,5,4")}
        with pytest.raises(DatasetError, match=r"test\.txt: expected pictures of test, found 1 of another split"):
            table_of("caer-s", files, tmp_path, faces="list")

    def test_another_kind_of_face_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="faces: "):
            table_of("caer-s", caer_s().files, tmp_path, faces="box")


@pytest.mark.parametrize("layout", ["ck-plus", "jaffe", "kdef", "oulu-casia", "expw", "afe", "caer-s"])
def test_a_root_of_something_else_is_refused(layout: str, tmp_path: Path) -> None:
    root = pack({"images/1.jpg": picture(1), "notes.txt": b"x"}, tmp_path, "folder")
    reader = LAYOUTS[layout]
    with (
        open_root(root) as files,
        pytest.raises((DatasetError, LabelError), match=rf"the {layout} layout|1 unknown labels"),
    ):
        reader.scan(files, parse_options(reader, {}))


@pytest.mark.parametrize("layout", ["ck-plus", "jaffe", "kdef", "oulu-casia", "expw", "afe", "caer-s"])
def test_facts_name_access_licence_codes_and_traps(layout: str) -> None:
    facts = LAYOUTS[layout].facts  # type: ignore[attr-defined]
    assert all(
        (facts.title, facts.content, facts.access, facts.licence, facts.reference, facts.label_codes, facts.traps)
    )
