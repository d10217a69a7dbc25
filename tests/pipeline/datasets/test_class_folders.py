"""Class folders in every form that people have: understood, or refused with the folder named."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.errors import DatasetError, LabelError
from pipeline.progress import Progress
from pipeline.tables.samples import SampleTable


def index(names: str, folder: Path, layout: str = "folder", kind: str = "folder", **options: object) -> SampleTable:
    files = {name: picture(i) for i, name in enumerate(names.split())}
    return index_dataset("d", layout, pack(files, folder, kind), options)


def splits(table: SampleTable) -> dict[str, str]:
    return dict(zip(table.frame["id"], table.frame["split"], strict=True))


class TestSplitFolders:
    @pytest.mark.parametrize(
        ("train", "val", "test"),
        [
            ("Training", "PublicTest", "PrivateTest"),
            ("TRAIN", "VALID", "TEST"),
            ("training", "validation", "testing"),
            ("train_set", "val_set", "Test-Set"),
            ("images/train", "images/validation", "images/test"),
            ("Train/Train_Aligned_Faces", "Val/Val_Aligned_Faces_new/Val_Aligned_Faces", "Test/Aligned"),
            ("a/train", "a/val", "b/test"),
        ],
    )
    @pytest.mark.parametrize("kind", ["folder", "zip"])
    def test_are_understood_in_every_spelling(self, train: str, val: str, test: str, kind: str, tmp_path: Path) -> None:
        names = " ".join(f"{split}/{label}/1.png" for split in (train, val, test) for label in ("Angry", "happy"))
        table = index(names, tmp_path, kind=kind)
        assert table.summary()["splits"] == {"train": 2, "val": 2, "test": 2}
        assert table.info.excluded == {}

    def test_may_lie_below_the_class_folders(self, tmp_path: Path) -> None:
        table = index("anger/train/x.png anger/test/deep/y.png fear/train/x.png fear/Validation/z.png", tmp_path)
        assert splits(table) == {
            "anger/train/x.png": "train",
            "anger/test/deep/y.png": "test",
            "fear/train/x.png": "train",
            "fear/Validation/z.png": "val",
        }

    def test_train_and_valid_leave_test_to_be_carved(self, tmp_path: Path) -> None:
        names = " ".join(f"{split}/fear/{i}.png" for split in ("train", "valid") for i in range(40))
        found = splits(index(names, tmp_path))
        assert {name.split("/")[0] for name, split in found.items() if split == "val"} == {"valid"}
        assert {name.split("/")[0] for name, split in found.items() if split == "test"} == {"train"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("names", "words"),
        [
            ("val/fear/a.png valid/fear/b.png train/fear/c.png", ["one folder of val images", "'val/'", "'valid/'"]),
            ("anger/val/a.png anger/valid/b.png", ["one folder of val images", "anger/val/", "anger/valid/"]),
            ("train/fear/a.png a/train/fear/b.png", ["one folder of train images", "'a/train/'", "'train/'"]),
            ("Train/imgs/Fear/a.png Train/aligned/Fear/a.png", ["'Train/aligned/'", "'Train/imgs/'"]),
            ("train/fear/a.png PublicTst/fear/b.png", ["every class folder in a split folder", "'PublicTst/'"]),
            ("train/fear/a.png test/fear/b.png fear/c.png", ["1 images elsewhere", "'fear/'"]),
            ("anger/train/a.png anger/b.png", ["1 images elsewhere", "'anger/'"]),
            ("S01/fear/a.png S02/fear/b.png", ["all class folders in one folder", "'S01/'", "'S02/'", "subject"]),
            ("train/fear/a.png valid/b.png", ["class folders below valid/", "valid/b.png"]),
            ("train/test/fear/a.png", ["in one split", "'train/'", "'test/'"]),
            ("train/fear/test/a.png", ["in one split", "'train/'", "'test/'"]),
            ("anger/train/happy/a.png", ["found two", "anger/train/happy/a.png"]),
        ],
    )
    def test_a_guess_is_never_made(self, names: str, words: list[str], tmp_path: Path) -> None:
        with pytest.raises(DatasetError) as caught:
            index(names, tmp_path)
        assert [word for word in words if word not in str(caught.value)] == []

    @pytest.mark.parametrize("names", ["train/fear/a.png train/hapy/b.png", "fear/a.png hapy/b.png"])
    def test_a_class_folder_with_a_slip_is_an_unknown_label(self, names: str, tmp_path: Path) -> None:
        with pytest.raises(LabelError, match="'hapy'"):
            index(names, tmp_path)


class TestOutside:
    def test_images_in_no_class_folder_are_counted_by_folder(self, tmp_path: Path) -> None:
        names = "set/train/fear/a.png set/train/b.png set/test/fear/c.png previews/1.png previews/x/2.png sheet.png"
        table = index(names, tmp_path)
        assert table.info.excluded == {
            "outside the class folders (./)": 1,
            "outside the class folders (previews/)": 2,
            "outside the class folders (set/train/)": 1,
        }
        assert len(table) == 2

    @pytest.mark.parametrize("layout", ["folder", "raf-db", "affectnet"])
    def test_other_files_are_counted_in_every_layout(self, layout: str, tmp_path: Path) -> None:
        files = {"train/fear/a.png": picture(1), "train/fear/b.mp4": b"x", "test/fear/a.png": picture(2), "r.md": b"x"}
        heard: list[Progress] = []
        table = index_dataset("d", layout, pack(files, tmp_path, "zip"), {}, heard.append)
        assert table.summary()["unread_files"] == {".md": 1, ".mp4": 1}
        assert any("2 files are no images" in p.note and ".mp4 1" in p.note for p in heard)


class TestRafDb:
    def files(self, train: str, valid: str) -> str:
        return " ".join(f"{name.format(c)}" for c in range(1, 8) for name in (train, valid))

    def test_test_files_in_a_valid_folder_are_the_test_split(self, tmp_path: Path) -> None:
        names = self.files("train/{0}/train_0000{0}_aligned.jpg", "valid/{0}/test_000{0}_aligned.jpg")
        table = index(names, tmp_path, "raf-db", val_fraction=0.0)
        assert table.summary()["splits"] == {"train": 7, "val": 0, "test": 7}

    def test_a_valid_folder_of_other_files_is_refused(self, tmp_path: Path) -> None:
        names = self.files("train/{0}/train_0000{0}.jpg", "valid/{0}/train_1000{0}.jpg")
        with pytest.raises(
            DatasetError, match=r"has no validation set.*valid/1/train_10001\.jpg.*by the layout folder"
        ):
            index(names, tmp_path, "raf-db")
        advised = index(names, tmp_path / "2", "folder", codes="raf-db")
        assert advised.summary()["splits"]["val"] == 7

    def test_official_test_images_elsewhere_are_refused(self, tmp_path: Path) -> None:
        names = self.files("train/{0}/train_0000{0}.jpg", "test/{0}/test_000{0}.jpg")
        with pytest.raises(DatasetError, match=r"in test/ only, found 1 elsewhere: 'train/3/test_0009\.jpg'"):
            index(f"{names} train/3/test_0009.jpg", tmp_path, "raf-db")


def test_images_that_no_list_names_are_counted_by_folder(tmp_path: Path) -> None:
    files = {"labels.csv": b"path,label\nin/a.png,fear\n", "in/a.png": picture(1), "in/b.png": picture(2)}
    files |= {"other/deep/c.png": picture(3), "other/d.png": picture(4)}
    heard: list[Progress] = []
    table = index_dataset("d", "csv", pack(files, tmp_path, "tar"), {}, heard.append)
    assert table.summary()["unread_images"] == {"other/": 2, "in/": 1}
    assert any("3 images are named by no row" in p.note and "other/ 2" in p.note for p in heard)
