"""Copies on the Hugging Face hub: where names, splits and pictures are from, and what is refused, not guessed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from shards import CSV_ORDER, IMAGE, arrow, class_label, image_column, parquet, rows_table
from trees import pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts.hf_copies import COPIES, copies_like
from pipeline.datasets.roots import open_root
from pipeline.errors import AmbiguousLabelsError, ConfigError, DatasetError, LabelError
from pipeline.tables.samples import SampleTable

FEATURES = {"image": IMAGE, "label": class_label(CSV_ORDER)}
PNGS = [picture(shade) for shade in range(1, 15)]
WHOLE = {"val_fraction": 0.0, "test_fraction": 0.0}


def rows(first: int, last: int, features: Mapping[str, Any] | None = FEATURES, **columns: Any) -> Any:
    """A table of the pictures `first` to `last`, with labels from 0 to 6."""
    numbers = range(first, last)
    images = image_column([PNGS[i] for i in numbers], [f"{i}.jpg" for i in numbers])
    return rows_table({"image": images, "label": [i % 7 for i in numbers], **columns}, features)


def index(folder: Path, files: Mapping[str, bytes], **options: Any) -> SampleTable:
    return index_dataset("d", "hf", pack(files, folder, "folder"), {**WHOLE, **options})


def notes_of(folder: Path, files: Mapping[str, bytes], **options: Any) -> list[str]:
    notes: list[str] = []
    index_dataset(
        "d",
        "hf",
        pack(files, folder, "folder"),
        {**WHOLE, **options},
        lambda p: notes.append(p.note) if p.note else None,
    )
    return notes


def content(table: SampleTable) -> pd.DataFrame:
    return table.frame.set_index("id")[["label", "split", "sha256", "status"]].sort_index()


class TestOneUpload:
    def test_its_forms_have_the_same_ids_labels_and_digests(self, tmp_path: Path) -> None:
        state = json.dumps({"_data_files": [{"filename": f"data-0000{i}-of-00003.arrow"} for i in range(3)]}).encode()
        forms = {
            "one": {"data/train-00000-of-00001.parquet": parquet(rows(0, 12))},
            "many": {
                "data/train-00000-of-00002-0a.parquet": parquet(rows(0, 5)),
                "data/train-00001-of-00002-0b.parquet": parquet(rows(5, 12)),
            },
            "numbered": {f"default/train/{i:04d}.parquet": parquet(rows(4 * i, 4 * i + 4)) for i in range(3)},
            "saved": {
                "dataset_dict.json": b'{"splits": ["train"]}',
                "train/state.json": state,
                **{f"train/data-0000{i}-of-00003.arrow": arrow(rows(4 * i, 4 * i + 4)) for i in range(3)},
            },
        }
        tables = {name: content(index(tmp_path / name, files)) for name, files in forms.items()}
        assert list(tables["one"].index[:2]) == ["train/0.jpg", "train/1.jpg"]
        for table in tables.values():
            pd.testing.assert_frame_equal(table, tables["one"])

    def test_rows_without_paths_are_numbered_in_their_split(self, tmp_path: Path) -> None:
        table = rows_table({"image": image_column(PNGS[:4]), "label": [0, 1, 2, 3]}, FEATURES)
        files = {f"data/valid-0000{i}-of-00002.parquet": parquet(table.slice(2 * i, 2)) for i in range(2)}
        frame = index(tmp_path, files).frame
        assert list(frame["id"]) == [f"valid/000000{i}" for i in range(4)]
        assert list(frame["label"]) == ["anger", "disgust", "fear", "happiness"]

    def test_a_path_on_two_rows_is_no_id(self, tmp_path: Path) -> None:
        table = rows_table({"image": image_column(PNGS[:3], ["a/0.png", "b/0.png", "1.png"]), "label": [0, 1, 2]})
        files = {"train.parquet": parquet(table)}
        assert list(index(tmp_path, files, codes="fer2013").frame["id"]) == [f"train/000000{i}" for i in range(3)]

    def test_more_than_ten_unpadded_shards_are_in_the_order_of_their_numbers(self, tmp_path: Path) -> None:
        table = rows_table({"image": image_column(PNGS[:12]), "label": [0] * 12}, FEATURES)
        files = {f"train/{i}.parquet": parquet(table.slice(i, 1)) for i in range(12)}
        frame = index(tmp_path, files).frame.set_index("id")
        assert frame["path"]["train/0000002"] == "train/2.parquet::0000000"
        assert frame["path"]["train/0000010"] == "train/10.parquet::0000000"

    def test_one_shard_is_a_root(self, tmp_path: Path) -> None:
        pack({"test-00001-of-00003.parquet": parquet(rows(0, 3))}, tmp_path, "folder")
        table = index_dataset("d", "hf", tmp_path / "root.folder/test-00001-of-00003.parquet", WHOLE)
        assert list(table.frame["split"]) == ["test"] * 3

    def test_the_cache_of_the_hub_is_read_from_the_folder_that_holds_its_files(self, tmp_path: Path) -> None:
        cache = tmp_path / "datasets--owner--name"
        snapshot = cache / "snapshots/0a1b"
        (snapshot / "data").mkdir(parents=True)
        (cache / "blobs").mkdir()
        (cache / "blobs/2c3d").write_bytes(parquet(rows(0, 3)))
        (snapshot / "data/train-00000-of-00001.parquet").symlink_to("../../../blobs/2c3d")
        assert list(index_dataset("d", "hf", cache, WHOLE).frame["id"]) == [f"train/{i}.jpg" for i in range(3)]
        with pytest.raises(
            DatasetError, match=r"link leaves the root\. In the cache of the hub, the root is the folder"
        ):
            index_dataset("d", "hf", snapshot, WHOLE)

    def test_bytes_of_a_png_named_jpg_are_read(self, tmp_path: Path) -> None:
        table = index(tmp_path, {"train.parquet": parquet(rows(0, 2))})
        with open_root(tmp_path / "root.folder") as root:
            assert [root.read(path) for path in table.frame["path"]] == PNGS[:2]


class TestSplits:
    def test_a_name_that_lies_is_corrected_by_the_option(self, tmp_path: Path) -> None:
        files = {"data/train-00000-of-00001.parquet": parquet(rows(0, 7))}
        table = index(tmp_path, files, splits={"train": "test"})
        assert set(table.frame["split"]) == {"test"}
        assert table.frame["id"][0] == "train/0.jpg"

    def test_a_name_that_is_no_word_of_ours_is_read_by_the_option(self, tmp_path: Path) -> None:
        files = {
            "data/train-00000-of-00001.parquet": parquet(rows(0, 7)),
            "data/dev-00000-of-00001.parquet": parquet(rows(7, 9)),
        }
        with pytest.raises(DatasetError, match=r"expected a split in the name .* none for 1 of 2: 'data/dev-"):
            index(tmp_path, files)
        assert set(index(tmp_path, files, splits={"dev": "val"}).frame["split"]) == {"train", "val"}

    def test_a_name_that_the_copy_lacks_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"splits names 'tran', found splits 'train'"):
            index(tmp_path, {"train.parquet": parquet(rows(0, 2))}, splits={"tran": "test"})

    def test_what_is_no_split_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"splits\.train: .*'train', 'val' or 'test'"):
            index(tmp_path, {"train.parquet": parquet(rows(0, 2))}, splits={"train": "dev"})

    @pytest.mark.parametrize(
        ("name", "split"),
        [
            ("fer2013-test.parquet", "test"),
            ("train/data_0.parquet", "train"),
            ("Validation/0000.parquet", "val"),
            ("affectnet_test_set-00000-of-00001.parquet", "test"),
            ("my train runs/test/0000.parquet", "test"),
        ],
    )
    def test_are_words_of_the_file_or_its_folders(self, tmp_path: Path, name: str, split: str) -> None:
        assert set(index(tmp_path, {name: parquet(rows(0, 2))}).frame["split"]) == {split}

    def test_a_part_of_a_converted_copy_is_of_its_split_and_noted(self, tmp_path: Path) -> None:
        files = {
            "default/partial-train/0000.parquet": parquet(rows(0, 2)),
            "default/partial-test/0000.parquet": parquet(rows(2, 4)),
        }
        assert list(index(tmp_path / "1", files).frame["split"]) == ["test", "test", "train", "train"]
        notes = [note for note in notes_of(tmp_path / "2", files) if "not the whole dataset" in note]
        assert [note.split(" by its name")[0] for note in notes] == [
            "partial-test is a part of the split test",
            "partial-train is a part of the split train",
        ]
        named = index(tmp_path / "3", files, splits={"partial-train": "val"}).frame
        assert list(named["split"]) == ["test", "test", "val", "val"]

    def test_of_a_dataset_saved_alone_are_in_its_state(self, tmp_path: Path) -> None:
        state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": "test"}
        files = {"state.json": json.dumps(state).encode(), "data-00000-of-00001.arrow": arrow(rows(0, 3))}
        assert set(index(tmp_path, files).frame["split"]) == {"test"}

    def test_none_are_carved(self, tmp_path: Path) -> None:
        table = index(tmp_path, {"0000.parquet": parquet(rows(0, 14))}, val_fraction=0.2, test_fraction=0.3)
        assert set(table.frame["split"]) == {"train", "val", "test"}


class TestLabels:
    def test_names_are_those_of_the_file(self, tmp_path: Path) -> None:
        alphabetical = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
        features = {"image": IMAGE, "label": class_label(alphabetical)}
        table = index(tmp_path, {"train.parquet": parquet(rows(0, 7, features))})
        assert list(table.frame["label"]) == ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]

    def test_each_shard_has_its_own(self, tmp_path: Path) -> None:
        turned = {"image": IMAGE, "label": class_label([*reversed(CSV_ORDER)])}
        files = {"train.parquet": parquet(rows(0, 7)), "test.parquet": parquet(rows(0, 7, turned))}
        frame = index(tmp_path, files).frame.set_index("id")
        assert (frame["label"]["train/0.jpg"], frame["label"]["test/0.jpg"]) == ("anger", "neutral")

    def test_bare_integers_are_refused_with_the_presets_that_fit_and_the_advice_works(self, tmp_path: Path) -> None:
        files = {"train.parquet": parquet(rows(0, 14, None))}
        with pytest.raises(AmbiguousLabelsError, match=r" 0 \(2 images\)") as caught:
            index(tmp_path, files)
        assert caught.value.presets == (
            *("raf-0-based", "affectnet", "alphabetical-8", "alphabetical-7", "fer2013", "ck-plus", "dfew-0-based"),
        )
        assert caught.value.examples["3"] == ["train.parquet::0000003", "train.parquet::0000010"]
        for preset in caught.value.presets:
            assert preset in str(caught.value)
            assert len(index(tmp_path, files, codes=preset)) in (12, 14)  # contempt is left out

    def test_integers_that_no_preset_has_need_a_map(self, tmp_path: Path) -> None:
        table = rows_table({"image": image_column(PNGS[:2]), "label": [4, 40]})
        with pytest.raises(AmbiguousLabelsError, match=r"codes=\{0: anger") as caught:
            index(tmp_path, {"train.parquet": parquet(table)})
        assert caught.value.presets == ()
        found = index(tmp_path, {"train.parquet": parquet(table)}, codes={4: "happy", 40: "sad"})
        assert list(found.frame["label"]) == ["happiness", "sadness"]

    @pytest.mark.parametrize("labels", [["0", "1"], [0.0, 1.0]])
    def test_numbers_as_texts_or_floats_are_numbers(self, tmp_path: Path, labels: list[object]) -> None:
        table = rows_table({"image": image_column(PNGS[:2]), "label": labels})
        with pytest.raises(AmbiguousLabelsError):
            index(tmp_path, {"train.parquet": parquet(table)})
        assert list(index(tmp_path, {"train.parquet": parquet(table)}, codes="fer2013").frame["label"]) == [
            "anger",
            "disgust",
        ]

    def test_names_that_are_numbers_name_nothing(self, tmp_path: Path) -> None:
        features = {"image": IMAGE, "label": class_label([str(i) for i in range(7)])}
        with pytest.raises(AmbiguousLabelsError):
            index(tmp_path, {"train.parquet": parquet(rows(0, 7, features))})

    def test_an_integer_beyond_the_names_is_named(self, tmp_path: Path) -> None:
        table = rows_table({"image": image_column(PNGS[:2]), "label": [1, 7]}, FEATURES)
        with pytest.raises(LabelError, match=r"1 x .*number 7 of 7 names"):
            index(tmp_path, {"train.parquet": parquet(table)})

    def test_what_is_no_whole_number_has_no_name(self, tmp_path: Path) -> None:
        table = rows_table({"image": image_column(PNGS[:3]), "label": [1.0, float("inf"), 2.5]}, FEATURES)
        with pytest.raises(LabelError, match=r"2 unknown labels:\n  1 x .*'2\.5'.*\n  1 x .*'inf'"):
            index(tmp_path, {"train.parquet": parquet(table)})

    def test_other_names_beside_the_file_are_refused(self, tmp_path: Path) -> None:
        other = {"image": IMAGE, "label": class_label([*reversed(CSV_ORDER)])}
        files = {"train.parquet": parquet(rows(0, 2)), "dataset_info.json": json.dumps({"features": other}).encode()}
        with pytest.raises(DatasetError, match=r"its own label names are Angry, .* beside it Neutral, "):
            index(tmp_path, files)

    def test_codes_change_no_names(self, tmp_path: Path) -> None:
        files = {"train.parquet": parquet(rows(0, 7))}
        assert "the option codes is not used: the files name their labels themselves" in notes_of(
            tmp_path, files, codes="affectnet"
        )
        assert index(tmp_path, files, codes="affectnet").frame["label"][0] == "anger"

    def test_codes_that_are_used_are_not_called_unused(self, tmp_path: Path) -> None:
        numbers = {"image": IMAGE, "label": class_label([str(i) for i in range(7)])}
        files = {"train.parquet": parquet(rows(0, 7, numbers))}
        assert not any("not used" in note for note in notes_of(tmp_path / "a", files, codes="fer2013"))
        files["test.parquet"] = parquet(rows(7, 14))
        assert any("not used for 1 of 2 files" in note for note in notes_of(tmp_path / "b", files, codes="fer2013"))

    @pytest.mark.parametrize(
        "labels", [[[0, 1], [2, 3]], [{"a": 1}, {"a": 2}], [True, False]], ids=["sequence", "struct", "boolean"]
    )
    def test_what_is_no_single_label_is_refused(self, tmp_path: Path, labels: list[object]) -> None:
        table = rows_table({"image": image_column(PNGS[:2]), "label": labels})
        with pytest.raises(DatasetError, match=r"column 'label': expected one label in a row"):
            index(tmp_path, {"train.parquet": parquet(table)})


class TestColumns:
    def test_two_of_labels_are_both_named_and_the_option_chooses(self, tmp_path: Path) -> None:
        table = rows(0, 3, {"image": IMAGE}, emotion=["happy", "sad", "fear"])
        with pytest.raises(DatasetError, match=r"one column of labels, found 2: 'label', 'emotion'.*option label=NAME"):
            index(tmp_path, {"train.parquet": parquet(table)})
        found = index(tmp_path, {"train.parquet": parquet(table)}, label="emotion")
        assert list(found.frame["label"]) == ["happiness", "sadness", "fear"]

    @pytest.mark.parametrize("name", ["train.parquet", "train.arrow"])
    def test_two_of_images_are_both_named_and_the_option_chooses(self, tmp_path: Path, name: str) -> None:
        table = rows(0, 3, None, crop=image_column(PNGS[5:8]), kind=["happy", "sad", "fear"])
        files = {name: parquet(table) if name.endswith("parquet") else arrow(table)}
        with pytest.raises(DatasetError, match=r"one column of images, found 2: 'image', 'crop'.*option image=NAME"):
            index(tmp_path, files, label="kind")
        found = index(tmp_path, files, label="kind", image="crop")
        with open_root(tmp_path / "root.folder") as root:
            assert [root.read(path) for path in found.frame["path"]] == PNGS[5:8]

    def test_none_is_an_error_with_the_columns_there_are(self, tmp_path: Path) -> None:
        table = rows_table({"pixels": image_column(PNGS[:1]), "target": ["happy"]})
        with pytest.raises(DatasetError, match=r"one column of labels, found none among 'pixels', 'target'"):
            index(tmp_path, {"train.parquet": parquet(table)})
        assert len(index(tmp_path, {"train.parquet": parquet(table)}, label="target")) == 1

    def test_an_option_that_names_none_is_an_error(self, tmp_path: Path) -> None:
        for option in ("image", "label", "subject"):
            with pytest.raises(DatasetError, match=rf"column 'x'.*option {option}"):
                index(tmp_path, {"train.parquet": parquet(rows(0, 2))}, **{option: "x"})

    def test_images_of_one_person_are_in_one_split(self, tmp_path: Path) -> None:
        files = {"train.parquet": parquet(rows(0, 14, person=[f"p{i % 4}" for i in range(14)]))}
        table = index(tmp_path, files, subject="person", val_fraction=0.3, test_fraction=0.3)
        assert table.frame.groupby("subject")["split"].nunique().tolist() == [1] * 4
        assert "columns that are not read: 'person' (looks like a subject)" in notes_of(tmp_path, files)


class TestPaths:
    @pytest.mark.parametrize("path", ["/data/faces/a.png", "../a.png", "x/../../a.png", r"C:\faces\a.png", "C:/a.png"])
    def test_that_lead_elsewhere_are_rejected_and_counted(self, tmp_path: Path, path: str) -> None:
        table = rows_table({"image": image_column([PNGS[0], None], ["b.png", path]), "label": [0, 1]}, FEATURES)
        files = {"train.parquet": parquet(table), "a.png": PNGS[1]}
        assert list(index(tmp_path, files).frame["reason"]) == ["", "path leads outside the root"]
        assert any(note.startswith("1 rows name files of the machine") for note in notes_of(tmp_path, files))

    @pytest.mark.parametrize("file", ["imgs/a.png", "data/imgs/a.png"])
    def test_are_below_the_root_or_the_shard(self, tmp_path: Path, file: str) -> None:
        table = rows_table({"image": ["imgs/a.png"], "label": [0]}, {**FEATURES, "image": {"_type": "Value"}})
        frame = index(tmp_path, {"data/train.parquet": parquet(table), file: PNGS[0]}).frame
        assert (frame["path"][0], frame["reason"][0]) == (file, "")

    def test_are_not_looked_at_where_there_are_bytes(self, tmp_path: Path) -> None:
        frame = index(tmp_path, {"train.parquet": parquet(rows(0, 1)), "0.jpg": PNGS[9]}).frame
        assert frame["path"][0] == "train.parquet::0000000"

    @pytest.mark.parametrize(("beside", "reason"), [({}, "row has no image"), ({"x.png": PNGS[5]}, "file is missing")])
    def test_large_shards_are_searched_for_them_where_there_are_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: dict[str, bytes], reason: str
    ) -> None:
        monkeypatch.setattr("pipeline.datasets.roots.parquet_shard.SMALL_BYTES", 0)
        monkeypatch.setattr("pipeline.datasets.roots.parquet_shard.BYTES_PER_PATH", 0)
        table = rows_table({"image": image_column([PNGS[0], None], ["a.png", "b.png"]), "label": [0, 1]}, FEATURES)
        frame = index(tmp_path, {"train.parquet": parquet(table), **beside}).frame.set_index("id")
        assert frame["reason"].to_dict() == {"train/a.png": "", "train/b.png": reason}


class TestDamage:
    def test_every_torn_shard_is_named(self, tmp_path: Path) -> None:
        files = {f"data/train-0000{i}-of-00004.parquet": parquet(rows(3 * i, 3 * i + 3)) for i in range(4)}
        for i in (1, 3):
            name = f"data/train-0000{i}-of-00004.parquet"
            files[name] = files[name][:-20]
        with pytest.raises(DatasetError, match=r"2 of 4 shards cannot be read") as caught:
            index(tmp_path, files)
        assert [i for i in range(4) if f"train-0000{i}-of" in str(caught.value)] == [1, 3]

    def test_texts_that_are_not_utf8_name_the_shard(self, tmp_path: Path) -> None:
        whole = parquet(rows(0, 2), compression="none", use_dictionary=False, write_statistics=False)
        with pytest.raises(DatasetError, match=r"train\.parquet: .*damaged.*column image"):
            index(tmp_path, {"train.parquet": whole.replace(b"0.jpg", b"\xff.jpg")})

    @pytest.mark.parametrize("name", ["a\0.png", "x" * 5000])
    def test_paths_that_no_file_can_have_are_no_ids(self, tmp_path: Path, name: str) -> None:
        table = rows_table({"image": image_column([PNGS[0], None], ["a.png", name]), "label": [0, 1]}, FEATURES)
        frame = index(tmp_path, {"train.parquet": parquet(table)}).frame
        assert list(frame["id"]) == ["train/0000000", "train/0000001"]
        assert list(frame["reason"]) == ["", "path leads outside the root"]

    def test_shards_that_are_not_there_are_numbered(self, tmp_path: Path) -> None:
        files = {f"data/train-0000{i}-of-00004.parquet": parquet(rows(i, i + 1)) for i in (0, 2)}
        with pytest.raises(DatasetError, match=r"expected 4 shards .* found 2: missing number 00001, 00003"):
            index(tmp_path, files)
        renamed = {name.replace("-of-00004", ""): data for name, data in files.items()}
        assert len(index(tmp_path / "renamed", renamed)) == 2

    def test_two_versions_of_a_shard_are_refused(self, tmp_path: Path) -> None:
        files = {f"data/train-00000-of-00001-{x}.parquet": parquet(rows(0, 2)) for x in ("0a1b", "2c3d")}
        with pytest.raises(DatasetError, match=r"each shard once, found .*0a1b.*2c3d"):
            index(tmp_path, files)

    def test_two_copies_are_refused(self, tmp_path: Path) -> None:
        files = {f"{folder}/train-00000-of-00001.parquet": parquet(rows(0, 2)) for folder in ("a", "b")}
        with pytest.raises(DatasetError, match=r"one folder of train, found 'a/', 'b/'"):
            index(tmp_path, files)

    def test_two_forms_are_refused(self, tmp_path: Path) -> None:
        files = {"a/train.parquet": parquet(rows(0, 2)), "b/train.arrow": arrow(rows(0, 2))}
        with pytest.raises(DatasetError, match=r"one form of a copy, found .*train\.parquet.*train\.arrow"):
            index(tmp_path, files)

    def test_a_split_of_a_saved_dataset_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        state = json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}).encode()
        files = {
            "dataset_dict.json": b'{"splits": ["train", "test"]}',
            "train/state.json": state,
            "train/data-00000-of-00001.arrow": arrow(rows(0, 2)),
        }
        with pytest.raises(DatasetError, match=r"no state\.json in 'test'"):
            index(tmp_path, files)
        del files["train/data-00000-of-00001.arrow"]
        files["train/other.arrow"] = arrow(rows(0, 2))
        with pytest.raises(DatasetError, match=r"names 1 files that are not there: 'data-00000-of-00001\.arrow'"):
            index(tmp_path / "2", {**files, "dataset_dict.json": b'{"splits": ["train"]}'})

    @pytest.mark.parametrize("name", ["state.json", "dataset_dict.json", "dataset_info.json"])
    def test_a_damaged_description_is_named(self, tmp_path: Path, name: str) -> None:
        files = {"train.parquet": parquet(rows(0, 2, None)), name: b"{"}
        with pytest.raises(DatasetError, match=rf"{name}.* is damaged"):
            index(tmp_path, files)

    def test_scripts_and_pickles_are_named_and_not_run(self, tmp_path: Path) -> None:
        script = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
        files = {"train.parquet": parquet(rows(0, 2)), "fer.py": script, "data.pkl": b"\x80\x04."}
        notes = notes_of(tmp_path, files)
        assert "no script and no pickle of a copy is run; left unread: 'data.pkl', 'fer.py'" in notes
        assert not (tmp_path / "ran").exists()

    def test_a_large_row_group_is_indexed(self, tmp_path: Path) -> None:
        table = rows_table({"image": image_column(PNGS * 200), "label": [i % 7 for i in range(2800)]}, FEATURES)
        assert len(index(tmp_path, {"train.parquet": parquet(table, row_group_size=2800)}).usable) == 2800


class TestKnownCopies:
    def test_one_is_known_by_its_counts_and_names(self, tmp_path: Path) -> None:
        n = 7178
        table = rows_table({"image": image_column([PNGS[0]] * n), "label": [i % 7 for i in range(n)]}, FEATURES)
        files = {"data/train-00000-of-00001.parquet": parquet(table)}
        assert any(
            "this looks like Piro17/fer2013test: its only split is named train" in n for n in notes_of(tmp_path, files)
        )

    def test_another_order_of_labels_is_another_copy(self) -> None:
        csv, alphabetical = ("anger", "disgust"), ("disgust", "anger")
        assert [copy.counts.release for copy in copies_like({"train": 7178}, ())] == ["Piro17/fer2013test"]
        assert copies_like({"train": 7178}, csv + alphabetical) == ()
        assert copies_like({"train": 7179}, ()) == ()

    def test_bare_numbers_of_a_known_copy_are_refused_with_what_is_known(self, tmp_path: Path) -> None:
        n = 15_339
        table = rows_table({"image": image_column([PNGS[0]] * n), "label": [1 + i % 7 for i in range(n)]})
        with pytest.raises(AmbiguousLabelsError, match=r"looks like Mat303/raf-db-tcc: "):
            index(tmp_path, {"train.parquet": parquet(table)})

    def test_each_has_counts_and_words(self) -> None:
        assert all(copy.counts.totals and copy.note for copy in COPIES)
        assert len({copy.counts.release for copy in COPIES}) == len(COPIES)


WRITE = """
import json, sys
from pathlib import Path
import datasets

folder, kind, names, n = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
datasets.disable_progress_bars()
features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=names))

def image(i):
    file = folder / f"{i}.png"
    path = file.name if kind == "bytes" else None
    return str(file) if kind == "files" else {"bytes": file.read_bytes(), "path": path}

def part(first, last):
    rows = {"image": [image(i) for i in range(first, last)], "label": [i % 7 for i in range(first, last)]}
    return datasets.Dataset.from_dict(rows, features=features)

splits = datasets.DatasetDict(train=part(0, 8), validation=part(8, 10), test=part(10, n))
splits.save_to_disk(str(folder / "saved"), num_shards={"train": 3, "validation": 1, "test": 2})
(folder / "parquet").mkdir()
for name, split in splits.items():
    split.to_parquet(str(folder / f"parquet/{name}-00000-of-00001.parquet"))
"""
PYTHON = os.environ.get("FER_STAGE_DATASETS_PYTHON", sys.executable)


def run_python(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the Python that has `datasets`, away from this folder, which has the same name."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    return subprocess.run([PYTHON, *words], cwd="/", env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def real_package() -> None:
    if run_python("-c", "import datasets; datasets.Features").returncode:
        pytest.skip("no package `datasets`: name a Python that has it by FER_STAGE_DATASETS_PYTHON")


@pytest.mark.usefixtures("real_package")
class TestRealPackage:
    """What `datasets` itself writes. Passed with datasets 5.2.0, pyarrow 26.0.1 and Pillow 13.0.0 on 2026-11-29."""

    @pytest.mark.parametrize("kind", ["bytes", "no paths", "files"])
    def test_saved_and_parquet_forms_are_one_table(self, tmp_path: Path, kind: str) -> None:
        for i, png in enumerate(PNGS):
            (tmp_path / f"{i}.png").write_bytes(png)
        done = run_python("-c", WRITE, str(tmp_path), kind, json.dumps(CSV_ORDER), str(len(PNGS)))
        assert done.returncode == 0, done.stderr
        saved = content(index_dataset("d", "hf", tmp_path / "saved", {}))
        assert saved["split"].value_counts().to_dict() == {"train": 8, "test": 4, "val": 2}
        assert set(saved["status"]) == {"ok"}
        if kind == "files":  # to_parquet stores the paths of this machine
            with pytest.raises(DatasetError, match=r"14 x path leads outside the root"):
                index_dataset("d", "hf", tmp_path / "parquet", {})
        else:
            pd.testing.assert_frame_equal(saved, content(index_dataset("d", "hf", tmp_path / "parquet", {})))
