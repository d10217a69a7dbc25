"""MAFW: published counts, two orders of numbers, folds, the compound set, lists with captions, forms of clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from trees.acted_clips import frames_of
from trees.mafw import mafw_compound, mafw_numbers, mafw_single
from trees.tree import lines, pack

from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.layouts.mafw import Mafw
from pipeline.datasets.layouts.mafw_facts import CODES
from pipeline.datasets.reading.base import Scan, parse_options
from pipeline.datasets.roots import open_root
from pipeline.errors import AmbiguousLabelsError, DatasetError
from pipeline.tables.labels import CLASS_SETS
from pipeline.tables.samples import SampleTable

PUBLISHED = Mafw.facts.counts[0].labels


def index(files: Mapping[str, bytes], folder: Path, **options: Any) -> SampleTable:
    return index_dataset("d", "mafw", pack(files, folder, "folder"), options)


def scan_of(root: Path, **options: Any) -> Scan:
    with open_root(root) as files:
        return LAYOUTS["mafw"].scan(files, parse_options(LAYOUTS["mafw"], options))


def labels_of(table: SampleTable) -> dict[str, str]:
    units = table.units
    return dict(zip(units["clip"], units["label"], strict=True))


def whole_lists(numbers: Mapping[str, int] | None = None) -> dict[str, bytes]:
    """Lists of the first fold with as many clips of each label as were counted in the public ones; no clip is there."""
    labels = {split: [label for label, n in counts.items() for _ in range(n)] for split, counts in PUBLISHED.items()}
    n_train, files = len(labels["train"]), {}
    for split, first in (("train", 1), ("test", n_train + 1)):
        rows = [(first + i, label if numbers is None else numbers[label]) for i, label in enumerate(labels[split])]
        if numbers is None:
            name, text = f"single/no_caption/set_1/{split}.txt", lines(*(f"{i:05d}.mp4 {label}" for i, label in rows))
        else:
            name, text = f"MAFW_set_1_{split}.txt", lines(*(f"/x/faces/{i:05d} 9 {label}" for i, label in rows))
        files[name] = text
    return files


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(whole_lists(), tmp_path_factory.mktemp("mafw"), "zip")


class TestPublishedCounts:
    def test_the_single_set_has_9172_clips(self) -> None:
        """1242 + 1470 + 1138 + 1390 + 1072 + 639 + 625 + 236 + 916 + 262 + 182 = 9172; the first fold tests 1839."""
        assert [sum(counts.values()) for counts in PUBLISHED.values()] == [7_333, 1_839]
        assert {label: PUBLISHED["train"][label] + n for label, n in PUBLISHED["test"].items()} == {
            "happiness": 1_242,
            "sadness": 1_470,
            "neutral": 1_138,
            "anger": 1_390,
            "surprise": 1_072,
            "disgust": 639,
            "fear": 625,
            "contempt": 236,
            "anxiety": 916,
            "helplessness": 262,
            "disappointment": 182,
        }

    def test_lists_are_read_with_all_eleven_labels(self, whole: Path) -> None:
        scan = scan_of(whole)
        counts = {split: Counter(s.label for s in scan.samples if s.split == split) for split in ("train", "test")}
        assert counts == {split: Counter(PUBLISHED[split]) for split in counts}
        assert {s.fold for s in scan.samples if s.split == "test"} == {1}

    @pytest.mark.parametrize(("classes", "n"), [(7, 7_576), (8, 7_812), ("mafw", 9_172)])
    def test_other_classes_leave_the_other_labels_out(self, classes: Any, n: int, whole: Path) -> None:
        """9172 without anxiety 916, helplessness 262, disappointment 182 are 7812, without contempt 236 then 7576."""
        scan = scan_of(whole, classes=classes)
        assert (len(scan.samples), len(scan.samples) + sum(scan.excluded.values())) == (n, 9_172)


class TestOrdersOfNumbers:
    def test_the_two_orders_begin_with_other_labels_and_end_with_the_same(self) -> None:
        dfer_clip, emoclip = CODES["dfer-clip"], CODES["emoclip"]
        assert [dfer_clip[i] for i in range(7)] == [
            *("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"),
        ]
        assert [emoclip[i] for i in range(7)] == [
            *("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
        ]
        last = ["contempt", "anxiety", "helplessness", "disappointment"]
        assert [dfer_clip[i] for i in range(7, 11)] == [emoclip[i] for i in range(7, 11)] == last

    def test_numbers_are_refused_with_what_each_order_would_count(self, tmp_path: Path) -> None:
        files = {name: data for name, data in mafw_numbers().files.items() if "00003" not in name}
        with pytest.raises(AmbiguousLabelsError) as caught:
            index(files, tmp_path)
        assert caught.value.presets == ("dfer-clip", "emoclip")
        assert "codes=dfer-clip would count happiness 1, anger 1, contempt 1" in str(caught.value)
        assert "codes=emoclip would count anger 1, happiness 1, contempt 1" in str(caught.value)
        assert caught.value.examples["3"] == ["MAFW/data/faces/00001/2.png"]

    @pytest.mark.parametrize("order", ["dfer-clip", "emoclip"])
    def test_whole_lists_say_which_order_has_the_published_counts(self, order: str, tmp_path: Path) -> None:
        numbers = {label: code for code, label in CODES[order].items()}
        root = pack(whole_lists(numbers), tmp_path, "zip")
        with pytest.raises(AmbiguousLabelsError, match=f"counts are those published of MAFW by the order {order}"):
            scan_of(root)
        assert Counter(s.label for s in scan_of(root, codes=order).samples)["surprise"] == 1_072

    def test_each_order_is_read_on_request(self, tmp_path: Path) -> None:
        assert labels_of(index(mafw_numbers().files, tmp_path, codes="emoclip")) == {
            "00001": "happiness",
            "00002": "contempt",
            "00003": "anger",
        }

    def test_an_order_for_lists_with_names_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="labels are names, so that the option codes has no effect"):
            index(mafw_single().files, tmp_path, codes="emoclip")

    def test_numbers_of_no_order_are_refused_with_the_known_ones(self, tmp_path: Path) -> None:
        lists = {"MAFW_set_1_train.txt": b"faces/1 2 11\n", "MAFW_set_1_test.txt": b"faces/2 2 0\n"}
        with pytest.raises(
            AmbiguousLabelsError, match=r"(?s)No order of this dataset has all of them.*codes=emoclip: 0 anger"
        ):
            index(frames_of("faces/1 faces/2") | lists, tmp_path)


class TestFolds:
    def test_the_fold_is_that_of_the_test_list(self, tmp_path: Path) -> None:
        units = index(mafw_single().files, tmp_path).units.set_index("clip")
        assert units["fold"].dropna().to_dict() == {"00001": 2, "00002": 2, "00003": 1, "00005": 1}
        assert units["split"][["00003", "00005"]].tolist() == ["test", "test"]

    def test_a_clip_in_both_lists_of_a_fold_is_refused(self, tmp_path: Path) -> None:
        lists = {"single/no_caption/set_1/train.txt": b"00001.mp4 fear\n"}
        lists |= {"single/no_caption/set_1/test.txt": b"1.mp4 fear\n"}
        with pytest.raises(DatasetError, match=r"train or in the test list of a fold, found 1 in both, first 00001"):
            index(frames_of("data/faces/00001") | lists, tmp_path)


class TestCompoundSet:
    def test_several_labels_have_equal_shares_and_the_first_is_the_label(self, tmp_path: Path) -> None:
        frame = index(mafw_compound().files, tmp_path, set="compound").frame.drop_duplicates("clip").set_index("clip")
        names = CLASS_SETS["mafw"]
        shares = {
            clip: {n: s for n, s in zip(names, row, strict=True) if s} for clip, row in frame["distribution"].items()
        }
        assert shares == {
            "00001": {"anger": 0.5, "disgust": 0.5},
            "00002": {"anxiety": 0.5, "helplessness": 0.5},
            "00003": {"anxiety": 0.5, "fear": 0.5},
            "00004": {"happiness": 1.0},
        }
        assert frame["label"].to_dict() == {
            "00001": "anger",
            "00002": "anxiety",
            "00003": "anxiety",
            "00004": "happiness",
        }

    def test_shares_of_labels_outside_the_classes_are_left_out(self, tmp_path: Path) -> None:
        table = index(mafw_compound().files, tmp_path, set="compound", classes=7)
        frame = table.frame.drop_duplicates("clip").set_index("clip")
        assert frame.loc["00003", "label"] == "fear"
        assert list(frame.loc["00003", "distribution"]) == [0, 1, 0, 0, 0, 0, 0]
        assert table.info.excluded == {"no label is a class of the table": 1}

    def test_clips_with_several_labels_are_left_out_on_request(self, tmp_path: Path) -> None:
        table = index(mafw_compound().files, tmp_path, set="compound", several="exclude", test_fraction=0)
        assert (labels_of(table), table.info.excluded) == ({"00004": "happiness"}, {"several labels": 3})

    def test_the_single_set_has_no_shares(self, tmp_path: Path) -> None:
        assert "distribution" not in index(mafw_single().files, tmp_path).frame.columns


class TestLists:
    def test_captions_in_another_encoding_are_no_obstacle(self, tmp_path: Path) -> None:
        base = "single/with_caption/set_1"
        lists = {f"{base}/train.txt": "00001.mp4\tanger\t\u6124\u6012 \u7684\tAn angry man.\r\n".encode("gb18030")}
        lists |= {f"{base}/test.txt": "00002.mp4\tfear\t\u6016\u6015\tIt\u2019s dark.\r\n".encode("gb18030")}
        files = frames_of("data/faces/00001 data/faces/00002") | lists
        assert labels_of(index(files, tmp_path, captions=True)) == {"00001": "anger", "00002": "fear"}
        with pytest.raises(DatasetError, match=r"expected lists of the single set without captions, found others"):
            index(files, tmp_path)

    @pytest.mark.parametrize("text", [b"happy.mp4 fear\n", b"00001\n", b""])
    def test_other_lines_are_refused(self, text: bytes, tmp_path: Path) -> None:
        lists = {"single/no_caption/set_1/train.txt": text, "single/no_caption/set_1/test.txt": b"2.mp4 fear\n"}
        with pytest.raises(DatasetError, match=r"set_1/train\.txt"):
            index(frames_of("data/faces/1 data/faces/2") | lists, tmp_path)

    def test_two_lists_of_one_fold_are_refused(self, tmp_path: Path) -> None:
        lists = {f"single/no_caption{new}/set_1/test.txt": b"1.mp4 fear\n" for new in ("", "_new")}
        with pytest.raises(DatasetError, match=r"expected one test list of fold 1"):
            index(frames_of("data/faces/1") | lists, tmp_path)


class TestForms:
    def test_official_faces_come_before_other_frames_and_a_note_says_so(self, tmp_path: Path) -> None:
        notes: list[str] = []
        root = pack(mafw_single().files, tmp_path, "folder")
        index_dataset("d", "mafw", root, {}, on_progress=lambda progress: notes.append(progress.note))
        assert "clips are read from data/faces; other forms are not read: 'data/frames'" in notes

    def test_another_folder_is_read_on_request(self, tmp_path: Path) -> None:
        lists = {
            "single/no_caption/set_1/train.txt": b"1.mp4 fear\n",
            "single/no_caption/set_1/test.txt": b"2.mp4 fear\n",
        }
        files = frames_of("data/faces/1 data/faces/2 other/1 other/2") | lists
        paths = index(files, tmp_path, frames="other").units["path"]
        assert sorted(paths) == ["other/1/1.png", "other/2/1.png"]
        with pytest.raises(DatasetError, match=r"expected one folder elsewhere of clips, found data/faces"):
            index(files, tmp_path, frames="elsewhere")
