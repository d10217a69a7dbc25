"""Clips of any dataset: forms of lists, paths, tables of clips and of frames, class folders, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from trees.acted_clips import frames_of
from trees.tree import images_of, lines, pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.errors import AmbiguousLabelsError, DatasetError
from pipeline.tables.samples import SampleTable

CLIPS = frames_of("faces/a faces/b faces/c", n_frames=3)
ALL = {"val_fraction": 0, "test_fraction": 0}


def index(files: Mapping[str, bytes], folder: Path, layout: str = "clips", **options: Any) -> SampleTable:
    return index_dataset("d", layout, pack(files, folder, "folder"), options)


def labels_of(table: SampleTable) -> dict[str, str]:
    units = table.units
    return dict(zip(units["clip"], units["label"], strict=True))


def notes_of(files: Mapping[str, bytes], folder: Path, **options: Any) -> list[str]:
    notes: list[str] = []
    root = pack(files, folder, "folder")
    index_dataset("d", "clips", root, options, on_progress=lambda progress: notes.append(progress.note))
    return notes


class TestLists:
    @pytest.mark.parametrize(
        "text",
        [
            "faces/a happy\nfaces/b sad\n",
            "faces/a 3 happy\nfaces/b 3 sad\n",
            "faces/a\t3\thappy\nfaces/b\t3\tsad\n",
            "faces/a, 3, happy\r\nfaces/b, 3, sad\r\n",
            "faces/a;happy\nfaces/b;sad\n",
            "path label\nfaces/a happy\nfaces/b sad\n",
            "video_name num_frames label\nfaces/a 3 happy\nfaces/b 3 sad",
            "path,label\nfaces/a,happy\nfaces/b,sad\n",
            "clip\tnum_frames\tlabel\nfaces/a\t3\thappy\nfaces/b\t3\tsad\n",
            '"faces/a" happy\n./faces//b.mp4 sad\n',
        ],
    )
    @pytest.mark.parametrize("name", ["list.txt", "lists/labels.csv"])
    def test_forms_of_a_list_give_the_same_clips(self, text: str, name: str, tmp_path: Path) -> None:
        table = index(CLIPS | {name: text.encode()}, tmp_path, **ALL)
        assert list(labels_of(table).values()) == ["happiness", "sadness"]
        assert table.frame["path"].tolist() == [f"faces/{clip}/{i}.png" for clip in "ab" for i in (1, 2, 3)]
        assert table.info.unit == "clip"

    def test_lists_of_splits_are_found_by_name_with_any_suffix(self, tmp_path: Path) -> None:
        lists = {"train.csv": b"faces/a 3\n", "val.csv": b"faces/b 4\n", "test.tsv": b"faces/c 5\n"}
        table = index(CLIPS | lists, tmp_path, codes="fer2013")
        assert dict(zip(table.units["clip"], table.units["split"], strict=True)) == {
            "faces/a": "train",
            "faces/b": "val",
            "faces/c": "test",
        }

    def test_two_forms_of_one_list_are_refused_and_the_option_chooses(self, tmp_path: Path) -> None:
        files = CLIPS | {"train.txt": b"faces/a happy\n", "train.csv": b"path,label\nfaces/a,sad\n"}
        with pytest.raises(DatasetError, match=r"expected one train list, found 'train\.txt', 'train\.csv'.*lists=\{"):
            index(files, tmp_path)
        table = index(files, tmp_path, lists={"train": "train.csv"}, **ALL)
        assert labels_of(table) == {"faces/a": "sadness"}

    def test_a_path_may_have_spaces_and_end_with_a_number(self, tmp_path: Path) -> None:
        files = frames_of("x/a") | {"x/my clip 12/1.png": picture(50), "x/my clip/1.png": picture(51)}
        listed = b"x/my clip 12 happy\nx/my clip 1 sad\nx/a 2 fear\n"
        table = index(files | {"list.txt": listed}, tmp_path, **ALL)
        assert labels_of(table) == {"x/a": "fear", "x/my clip": "sadness", "x/my clip 12": "happiness"}

    def test_frames_are_counted_on_disk_and_not_trusted(self, tmp_path: Path) -> None:
        notes = notes_of(CLIPS | {"list.txt": b"faces/a 30 happy\nfaces/b 3 sad\n"}, tmp_path)
        expected = "list states other numbers of frames for 1 of 2 clips, first 'faces/a': 30 stated, 3 found"
        assert any(note.startswith(expected) for note in notes)

    def test_a_clip_in_two_lists_is_refused_with_its_name(self, tmp_path: Path) -> None:
        lists = {"train.txt": b"faces/a happy\nfaces/b sad\n", "test.txt": b"faces/B sad\n"}
        with pytest.raises(DatasetError, match=r"expected every clip in one split, found 1 in two, first faces/b"):
            index(CLIPS | lists, tmp_path)

    def test_a_clip_with_two_labels_is_one_rejected_row(self, tmp_path: Path) -> None:
        listed = b"faces/a happy\nfaces/a sad\nfaces/b fear\nfaces/b fear\n"
        table = index(CLIPS | {"list.txt": listed}, tmp_path)
        rejected = table.frame[table.frame["status"] == "rejected"]
        assert rejected[["clip", "reason", "label"]].to_numpy().tolist() == [
            ["faces/a", "conflicting rows", "happiness"]
        ]
        assert table.info.excluded == {"repeated row": 2}

    def test_numbers_are_refused_with_frames_that_show_them(self, tmp_path: Path) -> None:
        with pytest.raises(AmbiguousLabelsError) as caught:
            index(CLIPS | {"list.txt": b"faces/a 0\nfaces/b 6\n"}, tmp_path)
        assert caught.value.examples == {"0": ["faces/a/2.png"], "6": ["faces/b/2.png"]}
        assert "dfew" not in caught.value.presets  # it counts from 1
        assert {"fer2013", "dfew-0-based"} <= set(caught.value.presets)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (b"faces/a\n", r"list\.txt, line 1: expected `path num_frames label` or"),
            (b"\n\n", r"list\.txt: expected lines `path num_frames label` or"),
            (b"path label split\nfaces/a happy train\n", r"expected the header `path label`.*Write commas"),
            (b"image,label\nfaces/a,happy\n", r"expected columns path, label; missing path, found image, label"),
            (b"path;emotion\nfaces/a;happy\n", r"expected columns path, label; missing label, found path, emotion"),
            (b"../x happy\n", r"expected paths inside the root, found 1 others: '\.\./x'"),
        ],
    )
    def test_other_lines_are_refused(self, text: bytes, message: str, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=message):
            index(CLIPS | {"list.txt": text}, tmp_path)


class TestPaths:
    def test_paths_of_another_machine_need_the_prefix_that_the_error_names(self, tmp_path: Path) -> None:
        files = CLIPS | {"lists/list.txt": b"/data/my set/faces/a happy\n/data/my set/faces/b sad\n"}
        with pytest.raises(DatasetError, match=r"prefix to what they begin with .*: /data/my set$"):
            index(files, tmp_path)
        assert list(labels_of(index(files, tmp_path, prefix="/data/my set/", **ALL))) == [
            "/data/my set/faces/a",
            "/data/my set/faces/b",
        ]

    def test_the_suffix_of_a_video_does_not_matter_where_one_clip_is_meant(self, tmp_path: Path) -> None:
        table = index(frames_of("x/a.b x/c") | {"list.txt": b"x/a.b happy\nx/c.avi sad\n"}, tmp_path, **ALL)
        assert table.units["path"].tolist() == ["x/a.b/1.png", "x/c/1.png"]

    def test_paths_may_be_below_a_named_folder(self, tmp_path: Path) -> None:
        table = index(CLIPS | {"list.txt": b"a happy\n"}, tmp_path, images="faces", **ALL)
        assert table.frame["path"].tolist() == ["faces/a/1.png", "faces/a/2.png", "faces/a/3.png"]

    def test_a_missing_clip_and_one_without_frames_are_rejected_rows(self, tmp_path: Path) -> None:
        files = CLIPS | {"faces/d/readme.txt": b"x", "list.txt": b"faces/a happy\nfaces/d sad\nfaces/e fear\n"}
        frame = index(files, tmp_path, **ALL).frame
        rejected = frame[frame["status"] == "rejected"]
        assert rejected[["clip", "path", "reason", "label"]].to_numpy().tolist() == [
            ["faces/d", "faces/d", "clip has no frames", "sadness"],
            ["faces/e", "faces/e", "clip is missing", "fear"],
        ]
        assert rejected["frame"].isna().all()


class TestTables:
    def test_columns_are_of_the_clip_in_all_its_rows(self, tmp_path: Path) -> None:
        table = ["label,fold,person,scene,path,usage,clip", "happy,2,p1,War,faces/a,training,one"]
        frame = index(CLIPS | {"labels.csv": lines(*table)}, tmp_path, **ALL).frame
        assert frame["id"].tolist() == ["one/000000", "one/000001", "one/000002"]
        rows = frame[["clip", "label", "split", "subject", "scene", "fold", "frame"]].to_numpy().tolist()
        assert rows == [["one", "happiness", "train", "p1", "War", 2, i] for i in range(3)]

    def test_several_clips_of_one_name_are_refused(self, tmp_path: Path) -> None:
        table = lines("path,label,clip", "faces/a,happy,film", "faces/b,sad,film")
        with pytest.raises(DatasetError, match=r"several for 1 names, first 'film': 'faces/a', 'faces/b'"):
            index(CLIPS | {"labels.csv": table}, tmp_path)

    def test_a_clip_in_two_splits_is_refused(self, tmp_path: Path) -> None:
        table = lines("path,label,split", "faces/a,happy,train", "faces/a,happy,test")
        with pytest.raises(DatasetError, match="expected every clip in one split"):
            index(CLIPS | {"labels.csv": table}, tmp_path)

    def test_unread_columns_are_named(self, tmp_path: Path) -> None:
        table = index(CLIPS | {"labels.csv": lines("path,label,valence", "faces/a,happy,0.3")}, tmp_path, **ALL)
        assert table.info.unread_columns == {"valence": ""}

    def test_columns_of_another_kind_of_table_are_named_as_unread(self, tmp_path: Path) -> None:
        clips = lines("path,label,clip,frame,id", "faces/a,happy,one,3,x")
        assert list(index(CLIPS | {"labels.csv": clips}, tmp_path, **ALL).info.unread_columns) == ["frame", "id"]

    def test_images_and_clips_together_are_refused(self, tmp_path: Path) -> None:
        table = lines("path,label,clip", "faces/a,happy,a", "faces/b/1.png,sad,b")
        with pytest.raises(DatasetError, match=r"found 1 images \('faces/b/1\.png'\) and 1 clips \('faces/a'\)"):
            index(CLIPS | {"labels.csv": table}, tmp_path)


class TestTablesOfFrames:
    FRAMES = images_of("x/1.png x/2.png x/10.png y/1.png y/3.png")

    def test_frames_are_in_the_order_of_their_numbers(self, tmp_path: Path) -> None:
        rows = [f"x/{i}.png,happy,one" for i in (10, 1, 2)]
        table = index(self.FRAMES | {"labels.csv": lines("path,label,clip", *rows)}, tmp_path, **ALL)
        frames = table.frame.sort_values("frame")
        assert frames["path"].tolist() == ["x/1.png", "x/2.png", "x/10.png"]
        assert frames["frame"].tolist() == [0, 1, 2]
        assert table.info.unread_images == {"y/": 2}

    def test_the_column_frame_comes_before_the_names(self, tmp_path: Path) -> None:
        rows = ["x/1.png,happy,one,30", "y/1.png,happy,one,7", "x/2.png,happy,one,8"]
        table = index(self.FRAMES | {"labels.csv": lines("path,label,clip,frame", *rows)}, tmp_path, **ALL)
        assert table.frame.sort_values("frame")["path"].tolist() == ["y/1.png", "x/2.png", "x/1.png"]

    def test_at_most_max_frames_of_them_are_taken_evenly(self, tmp_path: Path) -> None:
        """Centres of two segments of six frames: floor(0.5 * 3) = 1 and floor(1.5 * 3) = 4."""
        files = frames_of("x", n_frames=6)
        rows = [f"x/{i}.png,happy,one" for i in range(1, 7)]
        table = index(files | {"labels.csv": lines("path,label,clip", *rows)}, tmp_path, max_frames=2, **ALL)
        assert table.frame["path"].tolist() == ["x/2.png", "x/5.png"]
        assert table.frame["frame"].tolist() == [1, 4]
        assert table.info.unread_images == {}

    def test_a_missing_image_is_a_rejected_frame_of_its_clip(self, tmp_path: Path) -> None:
        rows = ["x/1.png,happy,one", "x/9.png,happy,one"]
        frame = index(self.FRAMES | {"labels.csv": lines("path,label,clip", *rows)}, tmp_path, **ALL).frame
        assert dict(zip(frame["path"], frame["reason"], strict=True)) == {"x/1.png": "", "x/9.png": "file is missing"}

    def test_rows_that_contradict_each_other_reject_the_clip(self, tmp_path: Path) -> None:
        rows = ["x/1.png,happy,one,p", "x/2.png,happy,one,q", "y/1.png,sad,two,p"]
        frame = index(self.FRAMES | {"labels.csv": lines("path,label,clip,subject", *rows)}, tmp_path, **ALL).frame
        assert frame[["clip", "reason"]].to_numpy().tolist() == [["one", "conflicting rows"], ["two", ""]]

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (lines("path,label", "x/1.png,happy"), r"expected a clip for every image, found none for 'x/1\.png'"),
            (lines("path,label,clip", "x/1.png,happy,a", "y/1.png,happy,a"), "expected different numbers in the names"),
            (
                lines("path,label,clip,frame", "x/1.png,happy,a,1", "y/1.png,happy,a,1"),
                "expected different numbers in the column frame, found 2 images with one",
            ),
            (
                lines("path,label,clip,frame", "x/1.png,happy,a,1", "y/1.png,happy,a,"),
                "expected a number in `frame` on every row, found 1 of 2",
            ),
            (
                lines("path,label,clip,split", "x/1.png,happy,a,train", "x/2.png,happy,a,test"),
                "every clip in one split",
            ),
        ],
    )
    def test_tables_that_would_be_a_guess_are_refused(self, table: bytes, message: str, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=message):
            index(self.FRAMES | {"labels.csv": table}, tmp_path)


class TestClassFolders:
    def test_numbers_need_codes_and_frames_show_them(self, tmp_path: Path) -> None:
        files = frames_of("train/0/a train/1/b", n_frames=3)
        with pytest.raises(AmbiguousLabelsError) as caught:
            index(files, tmp_path)
        assert caught.value.examples == {"0": ["train/0/a/2.png"], "1": ["train/1/b/2.png"]}
        table = index(files, tmp_path, codes={0: "anger", 1: "fear"}, **ALL)
        assert labels_of(table) == {"train/0/a": "anger", "train/1/b": "fear"}

    def test_images_directly_in_class_folders_are_a_dataset_of_images(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"found images directly in 'train/happy/', .*The layout folder reads"):
            index(images_of("train/happy/1.png train/sad/1.png"), tmp_path)

    def test_a_video_beside_its_frames_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"expected every clip once, found 'happy/a', 'happy/a\.mp4'"):
            index(frames_of("happy/a") | {"happy/a.mp4": b"x"}, tmp_path)

    def test_a_code_above_a_class_folder_is_no_label(self, tmp_path: Path) -> None:
        """`neu` is new in German, and would make all clips neutral."""
        with pytest.raises(DatasetError, match=r"found neu/, a code for a label, above angry/.*Rename neu/"):
            index(frames_of("neu/angry/a neu/happy/b"), tmp_path)


@pytest.mark.parametrize(
    ("layout", "files"),
    [
        ("folder", {"happy/a.mp4": b"x", "sad/b.AVI": b"y"}),
        ("list", {"a.mp4": b"x", "train.txt": b"a.mp4 happy\n"}),
        ("csv", {"a.mkv": b"x", "labels.csv": b"path,label\na.mkv,happy\n"}),
    ],
)
def test_layouts_of_images_advise_clips_where_there_are_videos_alone(
    layout: str, files: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=r"expected images, found \d videos and no image, first .*--layout clips"):
        index(files, tmp_path, layout)
