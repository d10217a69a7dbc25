"""FER2013: which of its files is read, and the votes of FER+ joined to its rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import TREES, pack, picture
from trees.fer2013 import pixels
from trees.tree import lines

from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts.fer2013 import Fer2013
from pipeline.errors import DatasetError
from pipeline.tables.labels import CODE_MAPS
from pipeline.tables.samples import SampleTable


def index(layout: str, files: dict[str, bytes], folder: Path, **options: object) -> SampleTable:
    return index_dataset("d", layout, pack(files, folder, "folder"), options)


class TestCsv:
    def test_the_first_table_is_read_and_the_others_are_named(self, tmp_path: Path) -> None:
        files = {**TREES["fer2013_icml"].files, **TREES["fer2013_csv"].files}
        table = index("fer2013", files, tmp_path)
        assert table.info.release == "fer2013.csv"
        assert table.info.unread_files == {".csv": 3}
        assert len(table) == 7

    @pytest.mark.parametrize("usage", ["Lesson", ""])
    def test_an_unknown_usage_is_refused(self, usage: str, tmp_path: Path) -> None:
        rows = [f"0,{pixels(1)},PublicTest", f"0,{pixels(2)},{usage}"]
        files = {"fer2013.csv": lines("emotion,pixels,Usage", *rows)}
        with pytest.raises(DatasetError, match=r"column Usage: expected splits named|1 of 2 rows have no split"):
            index("fer2013", files, tmp_path)

    def test_a_file_that_is_cut_off_is_refused_with_its_line(self, tmp_path: Path) -> None:
        files = {"fer2013.csv": lines("emotion,pixels,Usage", f"0,{pixels(1)},Training", f"0,{pixels(1, 9)}")}
        with pytest.raises(DatasetError, match=r"fer2013\.csv, line 3: expected 3 fields, found 2"):
            index("fer2013", files, tmp_path)

    def test_a_code_map_that_is_named_is_used(self, tmp_path: Path) -> None:
        """A copy that a program wrote from class folders has their alphabetical order."""
        files = {"fer2013.csv": lines("emotion,pixels,Usage", *(f"{i},{pixels(i)},PublicTest" for i in range(7)))}
        labels = index("fer2013", files, tmp_path, codes="alphabetical-7").frame["label"]
        assert labels.tolist() == list(CODE_MAPS["alphabetical-7"].values())

    def test_a_quote_left_open_is_refused(self, tmp_path: Path) -> None:
        rows = [f'0,"{pixels(1)},Training', f'0,{pixels(1)}",Training']
        with pytest.raises(DatasetError, match=r"expected one line for each row, found 2 lines and 1 rows"):
            index("fer2013", {"fer2013.csv": lines("emotion,pixels,Usage", *rows)}, tmp_path)

    def test_folders_of_numbers_need_their_code_map(self, tmp_path: Path) -> None:
        files = {f"{split}/{code}/{code}.jpg": picture(code) for code in range(7) for split in ("train", "test")}
        with pytest.raises(Exception, match="codes=NAME"):
            index("fer2013", files, tmp_path)
        for codes in ("fer2013", "alphabetical-7"):
            frame = index("fer2013", files, tmp_path, codes=codes).frame
            assert frame.set_index("id")["label"]["test/4/4.jpg"] == CODE_MAPS[codes][4]

    def test_published_counts_add_up_to_the_published_totals(self) -> None:
        """28,709, 3,589 and 3,589 rows; classes of the whole 4953, 547, 5121, 8989, 6077, 4002, 6198."""
        whole, _, merged, other = [release.labels for release in Fer2013.facts.counts]
        assert {split: sum(labels.values()) for split, labels in whole.items()} == {
            "train": 28_709,
            "val": 3_589,
            "test": 3_589,
        }
        for release in (whole, merged, other):
            totals = [sum(labels[name] for labels in release.values()) for name in release["train"]]
            assert totals == [4953, 547, 5121, 8989, 6077, 4002, 6198]
        assert sum(merged["test"].values()) == 7_178
        assert (sum(other["train"].values()), sum(other["val"].values())) == (28_821, 7_066)


class TestVotes:
    FILES = TREES["ferplus_pixels"].files

    def test_folders_of_pictures_come_first(self, tmp_path: Path) -> None:
        files = {**self.FILES, "FER2013Train/fer0000000.png": picture(1)}
        table = index("ferplus", files, tmp_path)
        assert table.frame.set_index("id")["path"]["fer0000000"] == "FER2013Train/fer0000000.png"

    def test_votes_are_those_of_the_row(self, tmp_path: Path) -> None:
        frame = index("ferplus", dict(self.FILES), tmp_path).frame.set_index("id")
        assert frame["path"]["fer0000003-5"] == "fer2013/fer2013.csv::0000005"
        assert list(frame["votes"]["fer0000003-5"]) == [0, 0, 0, 0, 10, 0, 0, 0, 0, 0]

    @pytest.mark.parametrize(
        ("change", "detail"),
        [
            (lambda rows: [rows[0], *rows[2:]], r"6 and 7 rows|row 2: PublicTest, Training"),
            (lambda rows: sorted(rows, key=lambda row: row.split(",")[2]), r"row 0: PrivateTest, Training"),
            (lambda rows: rows[:-1], r"6 and 7 rows"),
        ],
    )
    def test_a_copy_in_another_order_is_refused(self, change: object, detail: str, tmp_path: Path) -> None:
        header, *rows = self.FILES["fer2013/fer2013.csv"].decode().splitlines()
        changed = lines(header, *change(rows))  # type: ignore[operator]
        with pytest.raises(DatasetError, match=f"joined by row.*({detail})"):
            index("ferplus", {**self.FILES, "fer2013/fer2013.csv": changed}, tmp_path)

    @pytest.mark.parametrize("classes", [7, 8])
    def test_a_soft_rule_gives_distributions_of_the_classes(self, classes: int, tmp_path: Path) -> None:
        """8, 1, 1 of ten: neutral alone once single votes are dropped. 5 and 3 of ten: unknown takes no part."""
        header, *rows = self.FILES["FERPlus/fer2013new.csv"].decode().splitlines()
        rows[2] = "Training,fer0000001.png,5,0,0,3,0,0,0,0,2,0"
        files = {**self.FILES, "FERPlus/fer2013new.csv": lines(header, *rows)}
        frame = index("ferplus", files, tmp_path, rule="multi_target", classes=classes).frame.set_index("id")
        assert list(frame["distribution"]["fer0000000"]) == [0, 0, 0, 0, 0, 0, 1, 0][:classes]
        assert list(frame["distribution"]["fer0000001"]) == pytest.approx([0, 0, 0, 0, 3 / 8, 0, 5 / 8, 0][:classes])
        assert "distribution" not in index("ferplus", files, tmp_path).frame
