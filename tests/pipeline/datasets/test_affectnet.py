"""AffectNet: what is refused because its numbers would be about something else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from trees import TREES, pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.errors import ConfigError, DatasetError, LabelError
from pipeline.tables.samples import SampleTable


def index(layout: str, files: dict[str, bytes], folder: Path, **options: object) -> SampleTable:
    return index_dataset("d", layout, pack(files, folder, "folder"), options)


class TestAffectNet:
    HEADER = b"subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n"

    def test_boxes_arrive(self, tmp_path: Path) -> None:
        tree = TREES["affectnet_lists"]
        frame = index("affectnet", dict(tree.files), tmp_path).frame.set_index("id")
        assert frame.loc["1/aa.jpg", "box"] == (134, 134, 899, 899)
        assert frame.loc["1/aa.jpg", "path"] == "Manually_Annotated_Images/1/aa.jpg"

    def test_the_filtered_list_is_read_on_request(self, tmp_path: Path) -> None:
        files = {
            "training.csv": self.HEADER + b"1/a.jpg,0,0,9,9,0,1,0,0\n",
            "training_filtered.csv": self.HEADER + b"1/b.jpg,0,0,9,9,0,1,0,0\n",
            "validation.csv": self.HEADER + b"1/c.jpg,0,0,9,9,0,1,0,0\n",
            "1/a.jpg": picture(1),
            "1/b.jpg": picture(2),
            "1/c.jpg": picture(3),
        }
        assert index("affectnet", files, tmp_path).frame["id"].tolist() == ["1/a.jpg", "1/c.jpg"]
        assert index("affectnet", files, tmp_path, filtered=True).frame["id"].tolist() == ["1/b.jpg", "1/c.jpg"]

    def test_a_missing_filtered_list_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"expected training_filtered\.csv, found none"):
            index("affectnet", dict(TREES["affectnet_lists"].files), tmp_path, filtered=True)

    @pytest.mark.parametrize("data", [b"", b"junk", b"\x93NUMPY\x01\x00", b"\x80\x04N."])
    def test_a_damaged_annotation_is_named_and_no_pickle_is_run(self, tmp_path: Path, data: bytes) -> None:
        files = {**TREES["affectnet_npy"].files, "val_set/annotations/10_exp.npy": data}
        with pytest.raises(DatasetError, match=r"1 other or damaged files: 'val_set/annotations/10_exp\.npy'"):
            index("affectnet", files, tmp_path)


def numbered_folders(shares: list[int]) -> dict[str, bytes]:
    """Empty images in `train/0`, `train/1`, ... with the numbers of images of `shares`, and one test image."""
    files = {f"train/{code}/{i}.jpg": b"" for code, n in enumerate(shares) for i in range(n)}
    return {**files, "val/0/a.jpg": picture(1)}


class TestCodes:
    OFFICIAL = (749, 1344, 255, 141, 64, 38, 249, 38)  # hundredths of the published counts
    ALPHABETICAL = (249, 38, 38, 64, 1344, 749, 255, 141)

    @pytest.mark.parametrize(
        ("shares", "codes", "fitting"),
        [(OFFICIAL, "alphabetical-8", "affectnet"), (ALPHABETICAL, "affectnet", "alphabetical-8")],
    )
    def test_folders_of_another_order_are_refused_and_the_advice_works(
        self, shares: list[int], codes: str, fitting: str, tmp_path: Path
    ) -> None:
        files = numbered_folders(shares)
        with pytest.raises(DatasetError, match=f"Set the option codes={fitting}"):
            index("affectnet", files, tmp_path, codes=codes, classes=8)
        frame = index("affectnet", files, tmp_path, codes=fitting, classes=8).frame
        assert (frame["label"] == "happiness").sum() == 1344

    def test_equally_large_folders_have_no_order(self, tmp_path: Path) -> None:
        files = numbered_folders([150] * 8)
        for codes in ("affectnet", "alphabetical-8"):
            assert index("affectnet", files, tmp_path, codes=codes, classes=8).info.release == "class folders"

    @pytest.mark.parametrize("name", ["affectnet_lists", "affectnet_npy", "affectnet_json"])
    def test_lists_and_label_files_have_the_official_codes(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="Leave the option codes out"):
            index("affectnet", dict(TREES[name].files), tmp_path, codes="alphabetical-8")

    @pytest.mark.parametrize("value", [np.array(3), np.array([3.0]), np.array("3"), np.array(b"3")])
    def test_a_label_file_holds_a_number_or_text_in_any_form(self, value: object, tmp_path: Path) -> None:
        data = io.BytesIO()
        np.save(data, value)
        files = {**TREES["affectnet_npy"].files, "val_set/annotations/10_exp.npy": data.getvalue()}
        frame = index("affectnet", files, tmp_path).frame.set_index("id")
        assert frame.loc["val_set/10", "label"] == "surprise"


HEADER = TestAffectNet.HEADER
LISTS = dict(TREES["affectnet_lists"].files)
NPY = dict(TREES["affectnet_npy"].files)
JSON = dict(TREES["affectnet_json"].files)


class TestTwoReleases:
    @pytest.mark.parametrize(
        ("files", "named"),
        [
            (
                LISTS | NPY,
                r"lists of 2017 \(Manually_.*/training\.csv\) and the release of 2021 \(train",
            ),
            (LISTS | JSON, r"lists of 2017 .* and AffectNet\+ \(human_annotated/train_set/annotations\)"),
            (NPY | JSON, r"release of 2021 .* and AffectNet\+"),
        ],
    )
    def test_both_are_named(self, files: dict[str, bytes], named: str, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=f"expected one release of AffectNet, found the .*{named}"):
            index("affectnet", files, tmp_path)

    @pytest.mark.parametrize("files", [NPY, JSON], ids=["npy", "json"])
    def test_two_copies_of_one_set_are_refused(self, files: dict[str, bytes], tmp_path: Path) -> None:
        copy = {f"x/{name}": data for name, data in files.items()}
        with pytest.raises(DatasetError, match=r"expected every set once, found '.*train_set/annotations', 'x/"):
            index("affectnet", files | copy, tmp_path)

    def test_the_automatic_list_is_read_beside_another_release(self, tmp_path: Path) -> None:
        table = index("affectnet", LISTS | NPY, tmp_path, annotations="automatic")
        assert table.frame["path"].tolist() == ["Automatically_Annotated_Images/1/aa.jpg"]


class TestHalfOfARelease:
    @pytest.mark.parametrize(
        ("files", "test_part", "missing"),
        [
            (LISTS, "Manually_Annotated_file_lists/validation.csv", "validation.csv"),
            (NPY, "val_set/", "val_set/annotations/*_exp.npy"),
            (JSON, "human_annotated/validation_set/", "validation_set/annotations/*.json"),
        ],
    )
    def test_train_images_do_not_become_the_test_set(
        self, files: dict[str, bytes], test_part: str, missing: str, tmp_path: Path
    ) -> None:
        half = {name: data for name, data in files.items() if not name.startswith(test_part)}
        with pytest.raises(DatasetError) as caught:
            index("affectnet", half, tmp_path)
        assert f"found no test images ({missing})" in str(caught.value)
        assert "test_fraction=0" in str(caught.value)
        assert set(index("affectnet", half, tmp_path, test_fraction=0).frame["split"]) <= {"train", "val"}

    def test_the_test_images_alone_are_read(self, tmp_path: Path) -> None:
        half = {name: data for name, data in NPY.items() if name.startswith("val_set/")}
        assert set(index("affectnet", half, tmp_path).frame["split"]) == {"test"}

    def test_pictures_without_lists_are_not_taken_for_class_folders(self, tmp_path: Path) -> None:
        files = {"Manually_Annotated_Images/1/a.jpg": picture(1), "Manually_Annotated_Images/2/b.jpg": picture(2)}
        with pytest.raises(DatasetError, match=r"found pictures of the release of 2017 .*Put the lists below"):
            index("affectnet", files, tmp_path)


class TestAutomaticAnnotations:
    def test_the_list_alone_is_not_read_without_being_asked_for(self, tmp_path: Path) -> None:
        files = {"Automatically_annotated.csv": HEADER + b"1/a.jpg,0,0,9,9,0,1,0,0\n", "1/a.jpg": picture(1)}
        with pytest.raises(DatasetError, match="Set the option annotations=automatic"):
            index("affectnet", files, tmp_path)
        assert len(index("affectnet", files, tmp_path, annotations="automatic").usable) == 1

    def test_a_missing_list_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"expected automatically_annotated\.csv .*found none"):
            index("affectnet", NPY, tmp_path, annotations="automatic")

    def test_it_has_no_filtered_list(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="set one of filtered and annotations"):
            index("affectnet", LISTS, tmp_path, annotations="automatic", filtered=True)

    def test_manual_and_automatic_rows_of_one_name_are_different_pictures(self, tmp_path: Path) -> None:
        manual = index("affectnet", LISTS, tmp_path).frame.set_index("id")
        automatic = index("affectnet", LISTS, tmp_path, annotations="automatic").frame.set_index("id")
        assert manual.loc["1/aa.jpg", "sha256"] != automatic.loc["1/aa.jpg", "sha256"]
        assert not pd.Index(manual["path"]).intersection(automatic["path"]).size


class TestJson:
    @pytest.mark.parametrize("data", [b"", b"[1]", b'{"label": 1}', b'{"human-label": [1]}', b'{"human-label": true}'])
    def test_a_file_without_a_label_is_named(self, data: bytes, tmp_path: Path) -> None:
        files = JSON | {"human_annotated/train_set/annotations/10.json": data}
        with pytest.raises(DatasetError, match=r"expected an object with one 'human-label' .* found 1 other"):
            index("affectnet", files, tmp_path)

    def test_an_unknown_code_is_named(self, tmp_path: Path) -> None:
        files = JSON | {"human_annotated/train_set/annotations/10.json": b'{"human-label": 9}'}
        with pytest.raises(LabelError, match="code 9"):
            index("affectnet", files, tmp_path)
