"""Clips that are video files: frames are counted in the file, and one that is none is a rejected clip."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from tiny_videos import number_of, numbered_frames, write_video
from trees import KINDS, pack, picture
from trees.tree import lines

from pipeline.datasets.digests import FileDigests
from pipeline.datasets.index import index_dataset
from pipeline.datasets.roots import open_root
from pipeline.datasets.scan_record import ScanRecord
from pipeline.tables.samples import SampleTable


@pytest.fixture(scope="module")
def dfew(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos named without zeros: 1 has 12 frames, 2 has 5, 3 is cut off, 4 text, 5 empty, 6 missing, 7 a copy of 1."""
    root = tmp_path_factory.mktemp("dfew")
    for split, rows in {"train": ["2,2", "3,3", "4,4", "5,5", "6,6", "7,1"], "test": ["1,1"]}.items():
        folder = root / "EmoLabel_DataSplit" / f"{split}(single-labeled)"
        folder.mkdir(parents=True)
        (folder / "set_1.csv").write_bytes(lines("video_name,label", *rows))
    clips = root / "Clip" / "original"
    clips.mkdir(parents=True)
    write_video(clips / "1.mp4", numbered_frames(12))
    write_video(clips / "2.mp4", numbered_frames(5))
    (clips / "3.mp4").write_bytes((clips / "1.mp4").read_bytes()[:200])
    (clips / "4.mp4").write_text("no video")
    (clips / "5.mp4").touch()
    (clips / "7.mp4").write_bytes((clips / "1.mp4").read_bytes())
    return root


def _index(root: Path, max_frames: int = 4) -> SampleTable:
    return index_dataset("dfew", "dfew", root, {"max_frames": max_frames, "val_fraction": 0.0})


def test_rows_are_frames_by_number(dfew: Path) -> None:
    rows = _index(dfew).usable.set_index("id")
    assert rows["path"]["00001/000001"] == "Clip/original/1.mp4::0000001"
    assert rows[rows["clip"] == "00001"]["frame"].tolist() == [1, 4, 7, 10]
    assert rows[rows["clip"] == "00002"]["frame"].tolist() == [0, 1, 3, 4]
    assert rows["sha256"].nunique() == 8  # clip 7 is a copy of 1


def test_a_row_is_read_as_the_picture_of_its_number(dfew: Path) -> None:
    rows = _index(dfew).usable
    with open_root(dfew) as files:
        shown = [number_of(Image.open(io.BytesIO(files.read(path)))) for path in rows["path"]]
    assert shown == rows["frame"].tolist()


def test_files_that_are_no_videos_are_rejected_clips(dfew: Path) -> None:
    table = _index(dfew)
    units = table.units.set_index("clip")
    assert sorted(units.index[units["status"] == "rejected"]) == ["00003", "00004", "00005", "00006"]
    assert units["reason"]["00006"] == "clip is missing"
    assert table.frame.groupby("clip").size()[["00003", "00004", "00005", "00006"]].tolist() == [1, 1, 1, 1]


def test_a_copy_of_a_test_clip_in_train_is_counted(dfew: Path) -> None:
    assert _index(dfew).crossing() == {"bytes": {"test in train": 1}}


def test_a_second_scan_reads_none_of_them(dfew: Path) -> None:
    first = FileDigests(clock=lambda: time.time_ns() + 10**11)
    table = index_dataset("dfew", "dfew", dfew, {}, digests=first)
    second = FileDigests(first.record() or ScanRecord.empty())
    again = index_dataset("dfew", "dfew", dfew, {}, digests=second)
    assert again.to_arrow().equals(table.to_arrow(), check_metadata=True)
    assert second.counts.unchanged == 3


def test_all_of_them_are_counted_as_belonging_to_clips(dfew: Path) -> None:
    assert dict(_index(dfew).info.unread_images) == {}


@pytest.mark.parametrize("kind", KINDS[1:])
def test_archives_of_them_give_the_table_of_the_folder(dfew: Path, kind: str, tmp_path: Path) -> None:
    files = {path.relative_to(dfew).as_posix(): path.read_bytes() for path in dfew.rglob("*") if path.is_file()}
    packed = _index(pack(files, tmp_path, kind))
    pd.testing.assert_frame_equal(packed.frame, _index(dfew).frame)


class TestAfew:
    @pytest.fixture
    def files(self, tmp_path: Path) -> dict[str, bytes]:
        write_video(tmp_path / "a.avi", numbered_frames(6))
        write_video(tmp_path / "b.avi", numbered_frames(3))
        a, b = (tmp_path / "a.avi").read_bytes(), (tmp_path / "b.avi").read_bytes()
        return {
            "Train_AFEW/Happy/0001.avi": a,
            "Train_AFEW/Sad/0001.avi": b,
            "Val_AFEW/Fear/0002.avi": b + b"\0",
            "Test_AFEW/0003.avi": a + b"\0",
        }

    def test_videos_are_read_where_there_are_no_faces(self, files: dict[str, bytes], tmp_path: Path) -> None:
        table = index_dataset("afew", "afew", pack(files, tmp_path, "folder"), {"val_fraction": 0.0})
        units = table.units.set_index("clip")
        assert units["label"].to_dict() == {
            "train/happiness/0001": "happiness",
            "train/sadness/0001": "sadness",
            "val/fear/0002": "fear",
        }
        assert units["split"]["val/fear/0002"] == "test"
        assert table.frame.groupby("clip").size().tolist() == [6, 3, 3]
        assert (table.info.release, table.info.excluded) == ("videos", {"no label": 1})

    def test_faces_in_another_class_folder_than_the_video_are_rejected(
        self, files: dict[str, bytes], tmp_path: Path
    ) -> None:
        faces = {"AFEW_Face/train/Anger/0_3_0001/1.jpg": picture(1), "AFEW_Face/validation/Fear/0002/1.jpg": picture(2)}
        del files["Train_AFEW/Sad/0001.avi"]
        root = pack(files | faces | {"AFEW_Face/train/Sad/0_1_0004/1.jpg": picture(3)}, tmp_path, "folder")
        units = index_dataset("afew", "afew", root, {"val_fraction": 0.0}).units.set_index("clip")
        assert units["reason"].to_dict() == {
            "train/anger/0001": "conflicting rows",
            "train/sadness/0004": "",
            "val/fear/0002": "",
        }

    def test_faces_without_class_folders_of_two_clips_of_one_name_are_rejected(
        self, files: dict[str, bytes], tmp_path: Path
    ) -> None:
        faces = {
            f"{split}_AFEW/AlignedFaces/Faces/{clip}/1.jpg": picture(i)
            for i, (split, clip) in enumerate((("Train", "0001"), ("Train", "0005"), ("Val", "0002")))
        }
        files["Train_AFEW/Happy/0005.avi"] = files["Test_AFEW/0003.avi"]
        root = pack(files | faces, tmp_path, "folder")
        units = index_dataset("afew", "afew", root, {"val_fraction": 0.0}).units.set_index("clip")
        assert units["reason"].to_dict() == {
            "train/happiness/0001": "conflicting rows",
            "train/sadness/0001": "conflicting rows",
            "train/happiness/0005": "",
            "val/fear/0002": "",
        }
