"""WebDataset shards: what one sample is, where its label and split are from, and what is refused."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from shards import tar
from trees import pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.datasets.roots import open_root
from pipeline.errors import AmbiguousLabelsError, DatasetError, LabelError
from pipeline.tables.samples import SampleTable

PNGS = [picture(shade) for shade in range(1, 10)]
WHOLE = {"val_fraction": 0.0, "test_fraction": 0.0}
TWO = {"0.jpg": PNGS[0], "0.txt": b"happy", "1.jpg": PNGS[1], "1.txt": b"sad"}


def index(folder: Path, files: Mapping[str, bytes], **options: object) -> SampleTable:
    return index_dataset("d", "webdataset", pack(files, folder, "folder"), {**WHOLE, **options})


def notes_of(folder: Path, files: Mapping[str, bytes]) -> list[str]:
    notes: list[str] = []
    root = pack(files, folder, "folder")
    index_dataset("d", "webdataset", root, WHOLE, lambda p: notes.append(p.note) if p.note else None)
    return notes


class TestKeys:
    def test_two_people_who_would_merge_are_both_named(self, tmp_path: Path) -> None:
        members = {"anna.smith.1.jpg": PNGS[0], "anna.smith.1.cls": b"0", "anna.jones.1.jpg": PNGS[1]}
        with pytest.raises(DatasetError, match=r"0\.tar.*'anna': 'anna\.jones\.1\.jpg', 'anna\.smith\.1\.jpg'.*merge"):
            index(tmp_path, {"train/0.tar": tar(members)})

    def test_folders_inside_a_shard_are_part_of_them(self, tmp_path: Path) -> None:
        members = {f"{folder}/{name}": data for folder in ("a", "b.c") for name, data in TWO.items()}
        assert list(index(tmp_path, {"0.tar": tar(members)}).frame["id"]) == ["a/0", "a/1", "b.c/0", "b.c/1"]

    def test_the_order_of_members_does_not_matter(self, tmp_path: Path) -> None:
        one = index(tmp_path / "1", {"train.tar": tar(TWO)}).frame
        other = index(tmp_path / "2", {"train.tar": tar(dict(reversed(TWO.items())))}).frame
        assert one.equals(other)
        assert list(one["path"]) == ["train.tar::0.jpg", "train.tar::1.jpg"]

    def test_a_shard_that_is_the_root_has_its_members_as_files(self, tmp_path: Path) -> None:
        pack({"faces-test-000003.tar": tar(TWO)}, tmp_path, "folder")
        path = tmp_path / "root.folder/faces-test-000003.tar"
        frame = index_dataset("d", "webdataset", path, WHOLE).frame
        assert list(frame["path"]) == ["0.jpg", "1.jpg"]
        assert list(frame["id"]) == ["test/0", "test/1"]
        with open_root(path) as root:
            assert root.read("1.jpg") == PNGS[1]


class TestLabels:
    def test_bare_numbers_are_refused_with_presets_and_the_advice_works(self, tmp_path: Path) -> None:
        shard = {"train-000000.tar": tar({"0.jpg": PNGS[0], "0.cls": b"0", "1.jpg": PNGS[1], "1.cls": b"7"})}
        with pytest.raises(AmbiguousLabelsError, match=r"codes=") as caught:
            index(tmp_path, shard)
        assert caught.value.presets == ("affectnet", "alphabetical-8", "ck-plus")
        assert caught.value.examples == {"0": ["train-000000.tar::0.jpg"], "7": ["train-000000.tar::1.jpg"]}
        assert list(index(tmp_path, shard, codes="affectnet", classes=8).frame["label"]) == ["neutral", "contempt"]

    def test_the_class_comes_before_the_text(self, tmp_path: Path) -> None:
        members = {"0.jpg": PNGS[0], "0.cls": b"1", "0.txt": b"a photo of a face", "0.json": b'{"second": 2}'}
        files = {"train.tar": tar(members), "classnames.txt": b"fear\nanger\nsad\n"}
        assert list(index(tmp_path, files).frame["label"]) == ["anger"]
        assert list(index(tmp_path, files, label="second").frame["label"]) == ["sadness"]

    @pytest.mark.parametrize(
        ("other", "data"), [("txt", b"anger"), ("json", b'{"label": 0}'), ("json", b'{"emotion": "angry"}')]
    )
    def test_labels_of_one_key_that_contradict_each_other_are_rejected(
        self, tmp_path: Path, other: str, data: bytes
    ) -> None:
        members = {"0.jpg": PNGS[0], "0.cls": b"1", f"0.{other}": data, "1.jpg": PNGS[1], "1.cls": b"2"}
        members["1.txt"], members["1.json"] = b"Sad", b'{"label": 2, "text": "angry"}'
        files = {"train.tar": tar(members), "classnames.txt": b"anger\nfear\nsad"}
        frame = index(tmp_path / "1", files).frame
        assert dict(zip(frame["id"], frame["reason"], strict=True)) == {"train/0": "conflicting rows", "train/1": ""}
        assert "the labels of 1 keys contradict each other" in " ".join(notes_of(tmp_path / "2", files))
        chosen = index(tmp_path / "3", files, label=".cls").frame
        assert list(chosen["label"]) == ["fear", "sadness"]
        assert set(chosen["reason"]) == {""}

    def test_codes_name_the_numbers_that_contradict_a_text(self, tmp_path: Path) -> None:
        members = {"0.jpg": PNGS[0], "0.cls": b"happy", "0.json": b'{"label": 3}', "1.jpg": PNGS[1], "1.cls": b"sad"}
        frame = index(tmp_path, {"train.tar": tar(members)}, codes={3: "fear"}).frame
        assert list(frame["reason"]) == ["conflicting rows", ""]

    def test_labels_that_all_contradict_each_other_are_named(self, tmp_path: Path) -> None:
        members = {"0.jpg": PNGS[0], "0.cls": b"happy", "0.txt": b"sad"}
        with pytest.raises(DatasetError, match=r"1 x conflicting rows.*Correct the labels"):
            index(tmp_path, {"train.tar": tar(members)})

    def test_an_empty_line_among_the_names_is_refused(self, tmp_path: Path) -> None:
        members = {"0.jpg": PNGS[0], "0.cls": b"1"}
        for n, (names, line) in enumerate([(b"fear\n\nanger\n", 2), (b" \nfear\nanger\n", 1)]):
            with pytest.raises(DatasetError, match=rf"classnames\.txt, line {line}: expected a name in every line"):
                index(tmp_path / str(n), {"train.tar": tar(members), "classnames.txt": names})
        trailing = {"train.tar": tar(members), "classnames.txt": b"fear\nanger\n\n \n"}
        assert list(index(tmp_path, trailing).frame["label"]) == ["anger"]

    def test_a_number_beyond_the_names_is_named(self, tmp_path: Path) -> None:
        files = {"train.tar": tar({"0.jpg": PNGS[0], "0.cls": b"2"}), "classnames.txt": b"fear\nanger\n"}
        with pytest.raises(LabelError, match=r"number 2 of 2 names"):
            index(tmp_path, files)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b'{"label": 1, "emotion": "sad"}', r"found 2: 'label', 'emotion'.*label=NAME"),
            (b'{"label": [1, 2]}', r"entry 'label': expected one label"),
        ],
    )
    def test_json_that_could_mean_several_is_refused(self, tmp_path: Path, data: bytes, message: str) -> None:
        with pytest.raises(DatasetError, match=rf"train\.tar: 0\.json: .*{message}"):
            index(tmp_path, {"train.tar": tar({"0.jpg": PNGS[0], "0.json": data})})

    @pytest.mark.parametrize("data", [b"{", b"[1]", b"null", b"\xff"])
    def test_json_that_is_damaged_is_counted(self, tmp_path: Path, data: bytes) -> None:
        members = {**TWO, "2.jpg": PNGS[2], "2.json": data}
        assert index(tmp_path, {"train.tar": tar(members)}).info.excluded == {"label cannot be read": 1}


class TestShards:
    def test_compressed_ones_are_refused_and_the_advice_works(self, tmp_path: Path) -> None:
        data = tar(TWO)
        with pytest.raises(DatasetError, match=r"compressed ones: 'train/0\.tar\.gz'.*gunzip"):
            index(tmp_path, {"train/0.tar.gz": gzip.compress(data), "train/1.tar": data})
        assert len(index(tmp_path / "unpacked", {"train/0.tar": data})) == 2

    def test_a_torn_one_is_named(self, tmp_path: Path) -> None:
        data = tar(TWO)
        with pytest.raises(DatasetError, match=r"train/1\.tar: expected a whole tar"):
            index(tmp_path, {"train/0.tar": data, "train/1.tar": data[:1100]})

    def test_members_that_climb_out_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"train/0\.tar: expected plain files inside"):
            index(tmp_path, {"train/0.tar": tar({**TWO, "../../2.jpg": PNGS[2]})})

    def test_a_number_that_is_missing_is_noted(self, tmp_path: Path) -> None:
        files = {f"train-{i:06d}.tar": tar({f"{i}.jpg": PNGS[i], f"{i}.txt": b"sad"}) for i in (0, 1, 4)}
        assert any(
            "train* are numbered to 4, and 2 numbers are missing, first 2" in n for n in notes_of(tmp_path, files)
        )

    def test_one_key_in_two_shards_is_two_samples(self, tmp_path: Path) -> None:
        frame = index(tmp_path, {"train/0.tar": tar(TWO), "train/1.tar": tar(TWO), "val/0.tar": tar(TWO)}).frame
        assert list(frame["id"]) == ["train/0/0", "train/0/1", "train/1/0", "train/1/1", "val/0", "val/1"]

    def test_files_that_are_not_read_are_counted(self, tmp_path: Path) -> None:
        files = {"train.tar": tar({**TWO, "0.pyd": b"\x80", "notes": b"x"}), "templates.txt": b"x"}
        assert index(tmp_path, files).info.unread_files == {".pyd": 1, ".txt": 1}

    def test_a_tar_of_something_else_is_refused(self, tmp_path: Path) -> None:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("folder"))
        with pytest.raises(DatasetError, match=r"expected the webdataset layout"):
            index(tmp_path, {"a.tar": out.getvalue()})
