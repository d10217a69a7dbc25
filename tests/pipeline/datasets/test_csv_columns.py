"""Columns and boxes of text tables: read under every certain name, else named; repeated rows and relative boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trees import TREES, pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.datasets.reading.listfile import lookalike
from pipeline.errors import DatasetError
from pipeline.progress import Progress
from pipeline.tables.samples import SampleTable


def index(folder: Path, *lines: str, notes: list[Progress] | None = None, **options: Any) -> SampleTable:
    files = {f"{name}.png": picture(ord(name)) for name in "abcdef"} | {"labels.csv": "\n".join(lines).encode()}
    return index_dataset(
        "d", "csv", pack(files, folder, "folder"), options, (notes if notes is not None else []).append
    )


class TestAliases:
    @pytest.mark.parametrize("header", ["Usage", "subset", "SET", "partition", " Split ", "data_split"])
    def test_a_split_by_another_name(self, header: str, tmp_path: Path) -> None:
        table = index(
            tmp_path, f"path,label,{header}", "a.png,fear,Training", "b.png,fear,PublicTest", "c.png,fear,test"
        )
        assert table.frame["split"].tolist() == ["train", "val", "test"]
        assert table.info.unread_columns == {}

    @pytest.mark.parametrize("header", ["person", "subject_id", "Subject ID", "Person-ID", "actor", "participant.id"])
    def test_a_subject_by_another_name(self, header: str, tmp_path: Path) -> None:
        assert index(tmp_path, f"path,label,{header}", "a.png,fear,p7").frame["subject"].tolist() == ["p7"]

    @pytest.mark.parametrize("header", ["clip_id", "video", "Sequence"])
    def test_a_clip_by_another_name(self, header: str, tmp_path: Path) -> None:
        assert index(tmp_path, f"path,label,{header}", "a.png,fear,c7").frame["clip"].tolist() == ["c7"]

    @pytest.mark.parametrize(
        ("header", "both"),
        [
            ("path,Label,label", ["'Label'", "'label'"]),
            ("path,label,label", ["'label' and 'label'"]),
            ("path,label,Split,usage", ["'Split'", "'usage'"]),
            ("path,label,person,subject id", ["'person'", "'subject id'"]),
            ("path,label,x,face_x", ["'x'", "'face_x'"]),
        ],
    )
    def test_two_columns_for_one_thing_are_refused_by_name(self, header: str, both: list[str], tmp_path: Path) -> None:
        with pytest.raises(DatasetError) as caught:
            index(tmp_path, header, "a.png,fear,fear,fear"[: 10 + 5 * (header.count(",") - 1)])
        assert [name for name in both if name not in str(caught.value)] == []

    def test_columns_that_are_not_read_are_named(self, tmp_path: Path) -> None:
        heard: list[Progress] = []
        table = index(tmp_path, "path,label,valence,user.id,bbox", "a.png,fear,0.5,7,1 2 3 4", notes=heard)
        assert table.summary()["unread_columns"] == ["valence", "user.id", "bbox"]
        assert table.frame.columns.isin(["subject", "box"]).sum() == 0
        note = next(p.note for p in heard if "columns that are not read" in p.note)
        assert "'user.id' (looks like a subject), 'bbox' (looks like a box), 'valence'" in note

    def test_a_split_column_that_holds_something_else_is_refused_by_its_name(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"column Set: expected splits.*1 x 'A', 1 x 'B'.* or the column"):
            index(tmp_path, "path,label,Set", "a.png,fear,A", "b.png,fear,B")

    @pytest.mark.parametrize(
        ("header", "meaning"),
        [
            ("userId", "subject"),
            ("face_bbox", "box"),
            ("x1", "box"),
            ("dataset", ""),
            ("valence", ""),
            ("TrainTestSplit", "split"),
            ("facial_landmarks", ""),
        ],
    )
    def test_what_looks_like_something_is_recognised(self, header: str, meaning: str) -> None:
        assert lookalike(header) == meaning

    @pytest.mark.parametrize(
        ("name", "table", "unread"),
        [
            ("affectnet_lists", "Manually_Annotated_file_lists/training.csv", ("subject_id",)),
            ("ferplus", "fer2013new.csv", ("subject_id",)),
            ("muxspace", "data/legend.csv", ("subject_id",)),
        ],
    )
    def test_every_reader_of_tables_names_lookalikes(
        self, name: str, table: str, unread: tuple[str, ...], tmp_path: Path
    ) -> None:
        tree = TREES[name]
        header, *lines = tree.files[table].decode().splitlines()
        longer = "\n".join([f"{header},subject_id", *(f"{line},p" for line in lines)]).encode()
        root = pack({**tree.files, table: longer}, tmp_path, "folder")
        assert tuple(index_dataset("d", tree.layout, root, {}).info.unread_columns) == unread


class TestBoxes:
    @pytest.mark.parametrize(
        ("header", "numbers"),
        [
            ("x,y,w,h", "10,20,30,40"),
            ("X,Y,Width,Height", "10,20,30,40"),
            ("left,top,width,height", "10,20,30,40"),
            ("face_x,face_y,face_width,face_height", "10,20,30,40"),
            ("x1,y1,x2,y2", "10,20,40,60"),
            ("x0,y0,x1,y1", "10,20,40,60"),
            ("xmin,ymin,xmax,ymax", "10,20,40,60"),
            ("bbox_x_min,bbox_y_min,bbox_x_max,bbox_y_max", "10,20,40,60"),
            ("left,top,right,bottom", "10,20,40,60"),
            ("top,left,bottom,right", "20,10,60,40"),
            ("box", '"10,20,30,40"'),
        ],
    )
    def test_every_form_gives_the_same_box(self, header: str, numbers: str, tmp_path: Path) -> None:
        table = index(tmp_path, f"path,label,{header}", f"a.png,fear,{numbers}")
        assert table.frame["box"].tolist() == [(10, 20, 30, 40)]
        assert table.frame["id"].tolist() == ["a.png@10,20,30,40"]

    @pytest.mark.parametrize("header", ["x,y,w,h,x1,y1,x2,y2", "left,top,right,bottom,width,height"])
    def test_two_forms_of_box_are_refused(self, header: str, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="expected one form of face box"):
            index(tmp_path, f"path,label,{header}", "a.png,fear" + ",9" * (header.count(",") + 1))

    def test_a_box_that_is_not_whole_is_named_as_unread(self, tmp_path: Path) -> None:
        table = index(tmp_path, "path,label,x,y,width", "a.png,fear,1,2,30")
        assert set(table.info.unread_columns) == {"x", "y", "width"}

    @pytest.mark.parametrize(
        ("header", "numbers"),
        [
            ("x,y,w,h", "0.1,0.2,0.6,0.7"),
            ("x,y,w,h", "-0.05,0,1.1,1"),
            ("x1,y1,x2,y2", "0,0,1,1"),
            ("box", "0 0 .5 .5"),
        ],
    )
    def test_relative_boxes_are_refused_with_their_range(self, header: str, numbers: str, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"in pixels, found all 2 boxes .* between .* relative boxes.*Multiply"):
            index(tmp_path, f"path,label,{header}", f"a.png,fear,{numbers}", f"b.png,fear,{numbers}")

    @pytest.mark.parametrize(
        ("numbers", "reason"),
        [
            ("5,5,0,9", "box without area"),
            ("5,5,9,-1", "box without area"),
            ("-1,-1,-1,-1", "box without area"),
            ("0.1,0.2,0.6,0.7", "box smaller than 2 x 2 pixels"),
            ("4,4,1,20", "box smaller than 2 x 2 pixels"),
            ("-9,0,5,5", "box lies outside the image"),
        ],
    )
    def test_one_impossible_box_rejects_its_row(self, numbers: str, reason: str, tmp_path: Path) -> None:
        frame = index(tmp_path, "path,label,x,y,w,h", f"a.png,fear,{numbers}", "b.png,fear,1,2,30,40").frame
        assert frame["reason"].tolist() == [reason, ""]
        assert frame["box"].tolist() == [None, (1, 2, 30, 40)]

    def test_edges_in_the_wrong_order_reject_the_row(self, tmp_path: Path) -> None:
        frame = index(tmp_path, "path,label,x1,y1,x2,y2", "a.png,fear,40,5,10,50", "b.png,fear,1,2,30,40").frame
        assert frame["reason"].tolist() == ["box without area", ""]

    def test_boxes_that_are_all_impossible_say_what_to_check(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"1 x box without area.* Check what the columns of the boxes hold"):
            index(tmp_path, "path,label,x,y,w,h", "a.png,fear,5,5,0,0")


class TestRepeats:
    def test_a_repeated_row_is_counted_and_the_dataset_is_read(self, tmp_path: Path) -> None:
        table = index(tmp_path, "path,label", "a.png,fear", "b.png,anger", "a.png,fear", "c.png,fear")
        assert table.frame["id"].tolist() == ["a.png", "b.png", "c.png"]
        assert table.info.excluded == {"repeated row": 1}

    def test_rows_that_contradict_each_other_are_one_rejected_row(self, tmp_path: Path) -> None:
        table = index(tmp_path, "path,label", "a.png,fear", "b.png,anger", "a.png,anger", "c.png,fear")
        assert table.summary()["rejected"] == {"conflicting rows": 1}

    @pytest.mark.parametrize("column", ["subject", "clip", "frame", "fold"])
    def test_rows_of_two_subjects_clips_or_folds_contradict_each_other(self, column: str, tmp_path: Path) -> None:
        table = index(tmp_path, f"path,label,{column}", "a.png,fear,1", "b.png,anger,2", "a.png,fear,2", "c.png,fear,3")
        assert table.summary()["rejected"] == {"conflicting rows": 1}

    def test_two_spellings_of_one_file_are_one_picture(self, tmp_path: Path) -> None:
        lines = ("path,label", "a.png,fear", "A.PNG,anger", "b.png,fear", "./b.png,fear", "c.png,fear", "d.png,fear")
        table = index(tmp_path, *lines)
        assert table.frame["id"].tolist() == ["a.png", "b.png", "c.png", "d.png"]
        assert table.frame["reason"].tolist() == ["conflicting rows", "", "", ""]
        assert table.info.excluded == {"repeated row": 2}

    def test_a_column_id_tells_rows_of_one_picture_apart(self, tmp_path: Path) -> None:
        assert len(index(tmp_path, "id,path,label", "1,a.png,fear", "2,a.png,anger", "3,b.png,fear")) == 3

    def test_a_row_that_is_repeated_with_its_id_is_counted(self, tmp_path: Path) -> None:
        table = index(tmp_path, "id,path,label", "1,a.png,fear", "2,b.png,anger", "1,a.png,fear", "3,a.png,fear")
        assert table.frame["id"].tolist() == ["1", "3", "2"]
        assert table.info.excluded == {"repeated row": 1}

    def test_a_table_of_repeats_is_refused_on_one_screen_and_the_advice_works(self, tmp_path: Path) -> None:
        rows = [f"{'abc'[i % 3]}.png,fear" for i in range(6000)]
        with pytest.raises(
            DatasetError, match=r"6,000 rows for 3 pictures: 'a\.png \(2,000 rows\)'.*column `id`"
        ) as caught:
            index(tmp_path, "path,label", *rows)
        assert len(str(caught.value)) < 1000
        advised = index(tmp_path / "again", "id,path,label", *(f"{i},{row}" for i, row in enumerate(rows)))
        assert len(advised) == 6000

    def test_ids_that_repeat_are_shown_on_one_screen(self, tmp_path: Path) -> None:
        rows = [f"{i % 40},{'abc'[i % 3]}.png,fear" for i in range(6000)]
        with pytest.raises(DatasetError, match=r"40 ids are on several rows: .*147 more.*column `id`") as caught:
            index(tmp_path, "id,path,label", *rows)
        assert len(str(caught.value)) < 1000

    def test_many_unknown_labels_are_shown_on_one_screen(self, tmp_path: Path) -> None:
        with pytest.raises(Exception, match=r"500 unknown labels(.|\n)*and 480 more") as caught:
            index(tmp_path, "path,label", *(f"a.png,word{i}" for i in range(500)))
        assert len(str(caught.value)) < 3000
