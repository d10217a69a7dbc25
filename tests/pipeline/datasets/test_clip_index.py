"""A dataset of clips: its rows are frames, and everything that is counted, carved or rejected is a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from trees import pack, picture
from trees.clip_lists import dfew_official, dfew_text_lists, ferv39k
from trees.tree import lines

from pipeline.datasets.index import index_dataset
from pipeline.errors import DatasetError
from pipeline.progress import Progress
from pipeline.tables.samples import SampleTable

_TRAIN, _TEST = "4_setups/All_scenes/train_All.csv", "4_setups/All_scenes/test_All.csv"
_CLIPS = "2_ClipsforFaceCrop"


def _folder(clip: str, *names: str, first: int = 0) -> dict[str, bytes]:
    return {f"{_CLIPS}/{clip}/{name}": picture(first + i) for i, name in enumerate(names)}


def _numbers(n: int) -> list[str]:
    return [f"{i + 1}.jpg" for i in range(n)]


def _index(
    files: Mapping[str, bytes], folder: Path, layout: str = "ferv39k", **options: Any
) -> tuple[SampleTable, list[str]]:
    heard: list[Progress] = []
    table = index_dataset("d", layout, pack(files, folder, "folder"), options, on_progress=heard.append)
    return table, [progress.note for progress in heard if progress.note]


def _lists(train: str, test: str) -> dict[str, bytes]:
    return {_TRAIN: lines(*train.split(", ")), _TEST: lines(*test.split(", "))}


class TestFrames:
    def test_are_in_the_order_of_the_numbers_in_their_names(self, tmp_path: Path) -> None:
        names = ["1.jpg", "10.jpg", "2.jpg", "11.jpg"]
        files = (
            _lists("A/Sad/1 Sad", "A/Sad/2 Sad")
            | _folder("A/Sad/1", *names)
            | _folder("A/Sad/2", "x_9.png", "x_08.png", first=9)
        )
        table, _ = _index(files, tmp_path)
        frames = {row.path.rpartition("/")[2]: (row.id, row.frame) for row in table.frame.itertuples()}
        assert frames["1.jpg"] == ("A/Sad/1/000000", 0)
        assert frames["2.jpg"] == ("A/Sad/1/000001", 1)
        assert frames["10.jpg"] == ("A/Sad/1/000002", 2)
        assert frames["11.jpg"] == ("A/Sad/1/000003", 3)
        assert frames["x_08.png"] == ("A/Sad/2/000000", 0)
        assert frames["x_9.png"] == ("A/Sad/2/000001", 1)

    @pytest.mark.parametrize(
        ("max_frames", "expected"), [(64, list(range(12))), (0, list(range(12))), (2, [3, 9]), (1, [6])]
    )
    def test_at_most_max_frames_are_taken_evenly(self, tmp_path: Path, max_frames: int, expected: list[int]) -> None:
        files = (
            _lists("A/Sad/1 Sad", "A/Sad/2 Sad")
            | _folder("A/Sad/1", *_numbers(12))
            | _folder("A/Sad/2", "1.jpg", first=50)
        )
        table, _ = _index(files, tmp_path, max_frames=max_frames)
        of_clip = table.frame[table.frame["clip"] == "A/Sad/1"]
        assert sorted(of_clip["frame"]) == expected

    def test_with_one_number_twice_are_refused_and_named(self, tmp_path: Path) -> None:
        files = (
            _lists("A/Sad/1 Sad", "A/Sad/2 Sad")
            | _folder("A/Sad/1", "1.jpg", "001.jpg", "2.jpg")
            | _folder("A/Sad/2", "1.jpg", first=9)
        )
        with pytest.raises(DatasetError, match=r"one number in 1 folders: '.*A/Sad/1/001\.jpg and 1\.jpg'"):
            _index(files, tmp_path)

    def test_that_are_damaged_leave_the_others_of_their_clip(self, tmp_path: Path) -> None:
        files = (
            _lists("A/Sad/1 Sad", "A/Sad/2 Sad")
            | _folder("A/Sad/1", *_numbers(3))
            | _folder("A/Sad/2", "1.jpg", first=9)
        )
        table, _ = _index(files | {f"{_CLIPS}/A/Sad/1/2.jpg": b""}, tmp_path)
        summary = table.summary()
        assert (summary["clips"], summary["rows"]) == (2, 4)
        assert summary["rejected"] == {}
        assert summary["rejected_frames"] == {"file is empty": 1}

    def test_of_clips_of_one_name_in_two_folders_are_not_mixed(self, tmp_path: Path) -> None:
        table, _ = _index(ferv39k().files, tmp_path)
        numbers = table.frame.groupby("clip")["frame"].size()
        assert numbers["Action/Happy/0267"] == 11
        assert numbers["Crisis/Disgust/0267"] == 3


class TestCounts:
    def test_are_of_clips_with_frames_beside(self, tmp_path: Path) -> None:
        table, notes = _index(ferv39k().files, tmp_path, val_fraction=0.0)
        summary = table.summary()
        assert (summary["unit"], summary["clips"]) == ("clip", 6)
        assert "folds" not in summary
        assert summary["splits"] == {"train": 2, "val": 0, "test": 2}
        assert summary["labels"] | {"happiness": 2, "sadness": 1, "disgust": 1} == summary["labels"]
        assert summary["rejected"] == {"clip is missing": 1, "conflicting rows": 1}
        assert summary["frames"] == {"train": 22, "val": 0, "test": 6}
        assert any("differ from those published" in note and "unusable rows among them: 2" in note for note in notes)

    def test_of_folds_are_those_of_its_test_list_without_rejected_clips(self, tmp_path: Path) -> None:
        """Of two clips in each of three lists, one of the second and one of the third are rejected."""
        table, _ = _index(dfew_official().files, tmp_path, "dfew")
        assert table.summary()["folds"] == {"1": 2, "2": 1, "3": 1}

    def test_stated_by_a_list_are_compared_with_the_disk_and_not_trusted(self, tmp_path: Path) -> None:
        table, notes = _index(dfew_text_lists().files, tmp_path, "dfew")
        assert table.frame.groupby("clip").size().to_dict() == {"00001": 2, "00003": 2, "00004": 2}
        stated = "list states other numbers of frames for 3 of 3 clips, first '00001': 144 stated, 2 found"
        assert any(note.startswith(stated) for note in notes)

    def test_of_clips_that_share_a_frame_with_another_split(self, tmp_path: Path) -> None:
        files = _lists("A/Sad/1 Sad, A/Sad/3 Sad", "A/Sad/2 Sad") | _folder("A/Sad/1", *_numbers(3))
        files |= _folder("A/Sad/2", *_numbers(5), first=1) | _folder("A/Sad/3", "1.jpg", first=90)
        table, notes = _index(files, tmp_path, val_fraction=0.0)
        assert table.crossing() == {"bytes": {"test in train": 1}}
        assert any("1 of 1 test clips are also in train" in note for note in notes)

    def test_of_files_that_belong_to_no_clip_leave_out_those_of_listed_clips(self, tmp_path: Path) -> None:
        files = (
            _lists("A/Sad/1 Sad", "A/Sad/2 Sad")
            | _folder("A/Sad/1", *_numbers(9))
            | _folder("A/Sad/2", "1.jpg", first=50)
        )
        others = _folder("A/Sad/3", "1.jpg", "2.jpg", first=70) | {"1_Clips/a.mp4": b"x", "readme.txt": b"x"}
        table, notes = _index(files | others, tmp_path, max_frames=1)
        assert dict(table.info.unread_images) == {f"{_CLIPS}/A/Sad/3/": 2, "1_Clips/": 1}
        assert any(note.startswith("3 images and videos belong to no clip") for note in notes)

    def test_progress_counts_clips(self, tmp_path: Path) -> None:
        heard: list[Progress] = []
        root = pack(ferv39k().files, tmp_path, "folder")
        index_dataset("d", "ferv39k", root, {}, on_progress=heard.append)
        assert [(p.done, p.total) for p in heard if p.what == "clips"] == [(i, 6) for i in range(1, 7)]


class TestSplits:
    def test_are_carved_by_clips_not_by_frames(self, tmp_path: Path) -> None:
        train = [f"A/Sad/{i} Sad" for i in range(40)]
        files = _lists(", ".join(train), "A/Sad/99 Sad") | _folder("A/Sad/99", "1.jpg", first=250)
        for i in range(40):
            files |= _folder(f"A/Sad/{i}", *_numbers(1 if i else 60), first=i or 100)
        table, _ = _index(files, tmp_path, val_fraction=0.5)
        units = table.units.groupby("split").size()
        assert 10 <= units["val"] <= 30
        assert (table.frame.groupby("clip")["split"].nunique() == 1).all()

    def test_copies_of_a_clip_under_two_names_are_in_one(self, tmp_path: Path) -> None:
        train = [f"A/Sad/{i} Sad" for i in range(30)]
        files = _lists(", ".join(train), "A/Sad/99 Sad") | _folder("A/Sad/99", "1.jpg", first=250)
        for i in range(30):
            files |= _folder(f"A/Sad/{i}", "1.jpg", "2.jpg", first=100 + 3 * (i // 2))
        table, _ = _index(files, tmp_path, val_fraction=0.5)
        splits = table.units.set_index("clip")["split"]
        assert [i for i in range(0, 30, 2) if splits[f"A/Sad/{i}"] != splits[f"A/Sad/{i + 1}"]] == []
        assert set(splits) == {"train", "val", "test"}

    def test_a_clip_in_two_lists_is_refused_and_named(self, tmp_path: Path) -> None:
        files = _lists("A/Sad/1 Sad", "A/Sad/1 Sad") | _folder("A/Sad/1", "1.jpg")
        with pytest.raises(
            DatasetError, match=r"found 1 in two, first A/Sad/1 in .*train_All\.csv and .*test_All\.csv"
        ):
            _index(files, tmp_path)


def _dfew(**lists: str) -> dict[str, bytes]:
    """Official lists of folds, such as train_1="1 1, 2 2" for the clips 1 and 2 with these labels; and their frames."""
    files: dict[str, bytes] = {}
    for i, (name, text) in enumerate(lists.items()):
        split, fold = name.split("_")
        rows = [row.replace(" ", ",") for row in text.split(", ")]
        files[f"EmoLabel_DataSplit/{split}(single-labeled)/set_{fold}.csv"] = lines("video_name,label", *rows)
        for row in rows:
            files[f"Clip/clip_224x224/{int(row.split(',')[0]):05d}/1.jpg"] = picture(10 * i + int(row.split(",")[0]))
    return files


class TestFolds:
    def test_are_those_whose_test_list_has_the_clip(self, tmp_path: Path) -> None:
        table, notes = _index(dfew_official().files, tmp_path, "dfew")
        folds = table.units.set_index("clip")["fold"].to_dict()
        assert folds == {"00001": 1, "00002": 1, "00003": 2, "00004": 2, "00005": 3, "00006": 3}
        assert "split test is the test list of fold 1 of folds 1, 2, 3" in notes
        assert "1 clips have several labels in the lists and are rejected, first 00006 (happiness, sadness)" in notes
        assert (
            "clips are read from DFEW/Clip/clip_224x224; other forms are not read: 'DFEW/Clip/clip_224x224_16f'"
            in notes
        )

    def test_a_clip_in_train_and_test_of_one_is_refused(self, tmp_path: Path) -> None:
        files = _dfew(train_1="1 1, 2 2", test_1="2 2, 3 3")
        with pytest.raises(
            DatasetError, match=r"found 1 in both, first 00002 in .*train.*set_1\.csv and .*test.*set_1"
        ):
            _index(files, tmp_path, "dfew")

    def test_a_clip_in_the_test_lists_of_two_is_refused(self, tmp_path: Path) -> None:
        files = _dfew(train_1="1 1", test_1="2 2, 3 3", train_2="3 3", test_2="1 1, 2 2")
        with pytest.raises(DatasetError, match=r"found 1 in several, first 00002 in .*set_1\.csv.*set_2\.csv"):
            _index(files, tmp_path, "dfew")

    def test_lists_that_do_not_agree_are_named(self, tmp_path: Path) -> None:
        files = _dfew(train_1="1 1, 4 4", test_1="2 2, 3 3", train_2="3 3", test_2="1 1", train_3="1 1, 2 2, 3 3, 4 4")
        _, notes = _index(files, tmp_path, "dfew")
        assert "1 clips are in no test list and have no fold: '00004'" in notes
        assert (
            "clips are missing in train lists, 2 times: '00002 in that of fold 2', '00004 in that of fold 2'" in notes
        )
        assert "lists that are not there: test of fold 3" in notes

    def test_of_one_alone_is_read(self, tmp_path: Path) -> None:
        table, _ = _index(_dfew(train_4="1 1, 2 2", test_4="3 3, 4 4"), tmp_path, "dfew")
        units = table.units.set_index("clip")
        assert units["split"][["00003", "00004"]].tolist() == ["test", "test"]
        assert units["fold"].isna().tolist() == [True, True, False, False]

    def test_without_a_test_list_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="expected a test list of at least one fold"):
            _index(_dfew(train_1="1 1"), tmp_path, "dfew")


class TestNumbersOfLabels:
    def test_from_0_in_lists_that_count_from_1_are_refused_with_the_option_that_reads_them(
        self, tmp_path: Path
    ) -> None:
        files = _dfew(train_1="1 0, 2 6", test_1="3 1")
        with pytest.raises(DatasetError, match=r"count from 1 \(1 happiness, .*found 0 to 6.*first_label=0"):
            _index(files, tmp_path, "dfew")
        table, _ = _index(files, tmp_path, "dfew", first_label=0)
        assert table.units.set_index("clip")["label"].to_dict() == {
            "00001": "happiness",
            "00002": "fear",
            "00003": "sadness",
        }

    def test_from_1_in_lists_that_count_from_0_are_refused_with_the_option_that_reads_them(
        self, tmp_path: Path
    ) -> None:
        files = dict(dfew_text_lists().files)
        files["annotation/DFEW_set_1_train.txt"] = lines("00003 16 3", "00004 16 7")
        with pytest.raises(DatasetError, match=r"count from 0 \(0 happiness, .*found 3 to 7.*first_label=1"):
            _index(files, tmp_path, "dfew")
        files["annotation/DFEW_set_1_test.txt"] = lines("00001 144 1")
        table, _ = _index(files, tmp_path, "dfew", first_label=1)
        assert table.units["label"].tolist() == ["happiness", "neutral", "fear"]


class TestForms:
    def test_the_option_reads_another_one(self, tmp_path: Path) -> None:
        table, _ = _index(dfew_official().files, tmp_path, "dfew", frames="clip_224x224_16f")
        assert table.usable["path"].str.startswith("DFEW/Clip/clip_224x224_16f/00001/").all()
        assert table.summary()["rejected"] == {"clip is missing": 4, "conflicting rows": 1}

    def test_several_of_which_none_is_the_usual_one_are_refused(self, tmp_path: Path) -> None:
        files = _dfew(train_1="1 1", test_1="2 2")
        renamed = {name.replace("clip_224x224", "a"): data for name, data in files.items()}
        copies = {name.replace("clip_224x224", "b"): data for name, data in files.items()}
        with pytest.raises(DatasetError, match=r"found Clip/a \(2 clips\), Clip/b \(2 clips\).*frames=Clip/a"):
            _index(renamed | copies, tmp_path, "dfew")
        table, _ = _index(renamed | copies, tmp_path, "dfew", frames="Clip/a")
        assert table.frame["path"].str.startswith("Clip/a/").all()

    def test_an_unknown_one_is_refused_with_those_that_there_are(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"one folder c of clips, found .*clip_224x224 \(2 clips\)"):
            _index(_dfew(train_1="1 1", test_1="2 2"), tmp_path, "dfew", frames="c")


def test_a_table_of_clips_says_so_and_one_of_images_does_not(tmp_path: Path) -> None:
    clips, _ = _index(ferv39k().files, tmp_path / "clips")
    images, _ = _index({"happy/a.png": picture(1), "sad/b.png": picture(2)}, tmp_path / "images", "folder")
    assert b'"unit"' in clips.to_arrow().schema.metadata[b"fer-stage"]
    assert b'"unit"' not in images.to_arrow().schema.metadata[b"fer-stage"]
    assert asdict(clips.info)["unit"] == "clip"
