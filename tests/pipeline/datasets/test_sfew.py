"""SFEW 2.0 and MMA: parts that are packed, missing or there twice are errors, as their numbers would be others."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import TREES, pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts.mma import Mma
from pipeline.datasets.layouts.sfew import Sfew
from pipeline.errors import DatasetError
from pipeline.tables.samples import SampleTable

NESTED = dict(TREES["sfew_nested"].files)
FLAT = dict(TREES["sfew_archives"].files)


def index(layout: str, files: dict[str, bytes], folder: Path, **options: object) -> SampleTable:
    return index_dataset("d", layout, pack(files, folder, "folder"), options)


class TestSfew:
    def test_archives_alone_are_to_be_unpacked(self, tmp_path: Path) -> None:
        files = {"Train_Aligned_Faces.zip": b"x", "Val_Aligned_Faces_new.zip": b"x"}
        with pytest.raises(DatasetError, match=r"archives alone: 'Train_Aligned_Faces\.zip'.*Unpack each of them"):
            index("sfew", files, tmp_path)

    @pytest.mark.parametrize("part", ["Train", "Val"])
    def test_a_part_that_is_still_packed_is_named(self, part: str, tmp_path: Path) -> None:
        files = {name: data for name, data in FLAT.items() if not name.startswith(part)}
        files |= {f"{part}_Aligned_Faces.zip": b"x"}
        with pytest.raises(DatasetError, match=rf"some of them still packed: '{part}_Aligned_Faces\.zip'"):
            index("sfew", files, tmp_path)

    def test_train_pictures_do_not_become_the_test_set(self, tmp_path: Path) -> None:
        files = {name: data for name, data in FLAT.items() if name.startswith("Train")}
        with pytest.raises(DatasetError, match=r"found no test images \(Val/\).*test_fraction=0"):
            index("sfew", files, tmp_path)
        assert set(index("sfew", files, tmp_path, test_fraction=0).frame["split"]) <= {"train", "val"}

    def test_two_releases_are_refused(self, tmp_path: Path) -> None:
        files = NESTED | {"SFEW/Train/Angry/whole.png": picture(99)}
        with pytest.raises(DatasetError, match="one folder of train pictures, found 'SFEW/Train', 'SFEW/Train/Train_A"):
            index("sfew", files, tmp_path)

    def test_a_picture_in_two_splits_is_refused(self, tmp_path: Path) -> None:
        files = NESTED | {"SFEW/Train/Val_Aligned_Faces/Angry/x.png": picture(99)}
        with pytest.raises(DatasetError, match="below folders of train and val"):
            index("sfew", files, tmp_path)

    def test_a_folder_above_may_begin_like_a_split(self, tmp_path: Path) -> None:
        files = {f"testdata/validated/{name}": data for name, data in FLAT.items()}
        assert len(index("sfew", files, tmp_path)) == len(FLAT)

    def test_folders_of_numbers_are_read_with_a_code_map(self, tmp_path: Path) -> None:
        files = {"Train/4/a.png": picture(1), "Val/4/b.png": picture(2)}
        labels = index("sfew", files, tmp_path, codes="alphabetical-7").frame["label"]
        assert labels.tolist() == ["neutral", "neutral"]

    def test_published_counts_add_up(self) -> None:
        """891 and 431 aligned faces."""
        aligned = Sfew.facts.counts[0].labels
        assert {split: sum(labels.values()) for split, labels in aligned.items()} == {"train": 891, "test": 431}


class TestMma:
    @pytest.mark.parametrize("part", ["train", "valid", "test"])
    def test_a_missing_split_is_not_carved(self, part: str, tmp_path: Path) -> None:
        files = {name: data for name, data in TREES["mma"].files.items() if f"/{part}/" not in name}
        with pytest.raises(DatasetError, match=r"found no images of (train|val|test): a part of the dataset"):
            index("mma", files, tmp_path)
        assert len(index("folder", files, tmp_path)) == 4

    def test_published_counts_add_up(self) -> None:
        """92,968, 17,356 and 17,356 images: FER2013 (35,887) and ExpW (91,793)."""
        labels = Mma.facts.counts[0].labels
        sums = {split: sum(counts.values()) for split, counts in labels.items()}
        assert sums == {"train": 92_968, "val": 17_356, "test": 17_356}
        assert sum(sums.values()) == 35_887 + 91_793
