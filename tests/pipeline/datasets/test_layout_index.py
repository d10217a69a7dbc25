"""index_dataset and single layouts: what the contract of all layouts does not cover."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from trees import TREES, pack, picture

from pipeline.datasets.drawn import draw_dataset
from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts import LAYOUTS
from pipeline.errors import ConfigError, DatasetError, LabelError
from pipeline.progress import Progress
from pipeline.tables.samples import SampleTable


def index(layout: str, files: dict[str, bytes], folder: Path, **options: Any) -> SampleTable:
    return index_dataset("d", layout, pack(files, folder, "folder"), options)


def csv(*lines: str) -> dict[str, bytes]:
    return {"labels.csv": "\n".join(lines).encode(), "a.png": picture(1), "b.png": picture(2)}


class TestIndex:
    def test_an_unknown_layout_is_refused_with_a_suggestion(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"'rafdb'. Did you mean 'raf-db'\? Known: sample, ferplus"):
            index_dataset("d", "rafdb", tmp_path, {})

    def test_repeated_ids_are_named_with_their_files(self, tmp_path: Path) -> None:
        lines = ("path,label,id", "a.png,sad,x", "b.png,sad,x")
        with pytest.raises(DatasetError, match=r"1 ids are on several rows: 'x \(a\.png, b\.png\)'"):
            index("csv", csv(*lines), tmp_path)

    def test_a_dataset_of_excluded_rows_only_is_an_error_with_the_reasons(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"no sample is left, all rows are excluded: 2 x contempt"):
            index("csv", csv("path,label", "a.png,contempt", "b.png,contempt"), tmp_path)

    def test_unreadable_and_empty_files_are_rejected_rows(self, tmp_path: Path) -> None:
        root = pack({**csv("path,label", "a.png,sad", "b.png,sad", "c.png,sad"), "c.png": b""}, tmp_path, "folder")
        (root / "b.png").unlink()
        (root / "b.png").symlink_to("/etc/hostname")
        frame = index_dataset("d", "csv", root, {}).frame
        assert frame["reason"].tolist() == ["", "link leaves the root", "file is empty"]
        assert frame["sha256"].str.len().tolist() == [64, 0, 0]

    def test_images_are_not_decoded(self, tmp_path: Path) -> None:
        table = index("csv", {**csv("path,label", "a.png,sad"), "a.png": b"no picture at all"}, tmp_path)
        assert len(table.usable) == 1

    def test_what_was_carved_is_noted(self, tmp_path: Path) -> None:
        steps: list[Progress] = []
        tree = TREES["muxspace"]
        index_dataset("d", "muxspace", pack(tree.files, tmp_path, "folder"), {}, steps.append)
        notes = [p.note for p in steps if "the dataset has none" in p.note]
        assert [note.split(":")[0] for note in notes] == ["val", "test"]

    def test_the_table_states_its_source(self, tmp_path: Path) -> None:
        info = index("csv", csv("path,label", "a.png,3"), tmp_path, codes={3: "Joy"}, split_seed=4).info
        assert (info.dataset, info.layout, info.root) == ("d", "csv", str(tmp_path / "root.folder"))
        assert info.options["split_seed"] == 4
        assert info.options["codes"] == {"3": "happiness"}

    def test_layouts_load_no_torch(self) -> None:
        program = "import sys, pipeline.datasets.index; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"classes": 9}, "classes: Input should be 7, 8, mafw, raf-compound or raf-ce, found 9"),
            ({"classes": "7"}, "classes: "),
            ({"val_fraction": 1.0}, "val_fraction: "),
            ({"val_fraction": 0.5, "test_fraction": 0.5}, "must leave something to train on"),
            ({"codes": "raf"}, "expected a code map named raf-db"),
            ({"codes": {0: "grumpy"}}, "unknown label 'grumpy'"),
            ({"rule": "majority"}, "'rule' is unknown. Known: classes"),
        ],
    )
    def test_an_impossible_value_is_explained(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(ConfigError) as caught:
            index_dataset("d", "folder", Path("unused"), options)
        assert words in str(caught.value)

    @pytest.mark.parametrize("classes", [9, "raf-compound", "mafw"])
    def test_a_layout_of_basic_expressions_has_no_other_classes(self, classes: object) -> None:
        with pytest.raises(ConfigError, match=f"classes: Input should be 7 or 8, found {classes!r}"):
            index_dataset("d", "ferplus", Path("unused"), {"classes": classes})

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_every_option_is_described(self, layout: str) -> None:
        fields = LAYOUTS[layout].Options.model_fields
        assert [name for name, field in fields.items() if not field.description] == []


class TestFolder:
    def test_images_without_class_folders_are_counted(self, tmp_path: Path) -> None:
        words = r"1 x outside the class folders \(train/\), 1 x outside the class folders \(valid/\)"
        with pytest.raises(DatasetError, match=words):
            index("folder", {"train/a.jpg": b"x", "valid/b.jpg": b"x"}, tmp_path)

    def test_numbers_as_folders_are_never_guessed(self, tmp_path: Path) -> None:
        files = {f"train/{i}/a.jpg": picture(i) for i in range(7)}
        with pytest.raises(LabelError, match=r"7 unknown labels"):
            index("folder", files, tmp_path)
        mapped = index("folder", files, tmp_path, codes="alphabetical-7").frame
        assert mapped["label"].tolist() == ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]

    def test_one_class_folder_is_no_wrapper(self, tmp_path: Path) -> None:
        assert index("folder", {"happy/deep/a.jpg": b"x"}, tmp_path).frame["label"].tolist() == ["happiness"]


class TestCsv:
    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            (("image,label", "a.png,sad"), "missing path, found image, label"),
            (("path,label",), "expected rows below the header"),
            (("path,label", "a.png"), "labels.csv, line 2: expected 2 fields, found 1 in 'a.png'"),
            (("path,label", '"a.png,sad', *["b.png,sad"] * 15_000), "Is a quote left open"),
            (("path,label", "../a.png,sad"), "expected paths inside the table's folder, found 1 others: '../a.png'"),
            (("path,label", "/a.png,sad"), "found 1 others"),
            (("path,label", ",sad"), "found 1 others"),
            (("path,label,frame", "a.png,sad,x"), "line 2: frame: expected a whole number, found 'x'"),
            (("path,label,fold", "a.png,sad,1.5"), "line 2: fold: expected a whole number, found '1.5'"),
            (("path,label,x,y,w,h", "a.png,sad,1,2,x,4"), "line 2: expected a box"),
            (("path,label,box", "a.png,sad,1 2 3"), "line 2: expected a box"),
            (("path,label,split", "a.png,sad,dev"), "1 x 'dev'"),
        ],
    )
    def test_a_malformed_table_is_explained(self, tmp_path: Path, lines: tuple[str, ...], words: str) -> None:
        with pytest.raises(DatasetError) as caught:
            index("csv", csv(*lines), tmp_path)
        assert words in str(caught.value)

    @pytest.mark.parametrize("box", ['"1,2,3,4"', "1 2 3 4", '"(1, 2, 3, 4)"', "[1;2;3;4]"])
    def test_a_box_may_be_in_one_column(self, tmp_path: Path, box: str) -> None:
        frame = index("csv", csv("path,label,box", f"a.png,sad,{box}"), tmp_path).frame
        assert frame["box"].tolist() == [(1, 2, 3, 4)]

    def test_all_columns_arrive(self, tmp_path: Path) -> None:
        lines = ("path,label,split,subject,clip,frame,fold", "a.png,sad,val,s1,c9,17,3", "b.png,fear,test,,,,")
        frame = index("csv", csv(*lines), tmp_path).frame
        assert frame.loc[0, ["subject", "clip", "frame", "fold"]].tolist() == ["s1", "c9", 17, 3]
        assert frame.loc[1, ["subject", "clip", "frame", "fold"]].isna().all()

    def test_people_stay_together(self, tmp_path: Path) -> None:
        lines = [f"{i}.png,sad,s{i % 20}" for i in range(200)]
        files = {f"{i}.png": picture(i) for i in range(200)}
        frame = index("csv", files | csv("path,label,subject", *lines), tmp_path).frame
        assert (frame.groupby("subject")["split"].nunique() == 1).all()


class TestFerplus:
    HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"

    def files(self, *rows: str) -> dict[str, bytes]:
        return {"fer2013new.csv": "\n".join([self.HEADER, *rows]).encode(), "FER2013Train/f.png": picture(1)}

    def test_votes_are_kept(self, tmp_path: Path) -> None:
        frame = index("ferplus", self.files("Training,f.png,0,1,0,0,0,0,9,0,0,0"), tmp_path).frame
        assert frame["votes"].tolist() == [(0, 1, 0, 0, 0, 0, 9, 0, 0, 0)]

    def test_rows_are_joined_by_name_not_by_the_prepared_list(self, tmp_path: Path) -> None:
        trap = {"FER2013Train/label.csv": b'f.png,"(0, 0, 48, 48)",10,0,0,0,0,0,0,0,0,0\n'}
        frame = index("ferplus", trap | self.files("Training,f.png,0,0,0,0,0,0,9,0,0,0"), tmp_path).frame
        assert frame["label"].tolist() == ["fear"]

    def test_an_unknown_usage_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"Usage to be one of Training, .* found 'Extra'"):
            index("ferplus", self.files("Extra,f.png,9,0,0,0,0,0,0,0,0,0"), tmp_path)

    def test_a_vote_that_is_no_number_is_located(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"fer2013new\.csv, line 2: fear: expected a whole number, found 'x'"):
            index("ferplus", self.files("Training,f.png,9,0,0,0,0,0,x,0,0,0"), tmp_path)


class TestRafDb:
    def test_the_compound_set_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"found the compound one"):
            index("raf-db", {"compound/EmoLabel/list_patition_label.txt": b"train_0001.jpg 1\n"}, tmp_path)

    @pytest.mark.parametrize("line", ["valid_00001.jpg 5", "train_00001.jpg", "train_00001.jpg 5 6"])
    def test_a_strange_line_is_named(self, tmp_path: Path, line: str) -> None:
        files = {"EmoLabel/list_patition_label.txt": f"train_00002.jpg 1\n{line}\n".encode()}
        with pytest.raises(DatasetError, match=rf"such as 'train_00001\.jpg 5', found 1 others: '{line}'"):
            index("raf-db", files, tmp_path)


class TestSample:
    def test_an_unfinished_drawing_is_an_error(self, tmp_path: Path) -> None:
        files = dict(TREES["sample"].files)
        del files["sample.json"]
        with pytest.raises(DatasetError, match=r"no sample\.json. Draw it again"):
            index("sample", files, tmp_path)

    def test_drawn_faces_are_read(self, tmp_path: Path) -> None:
        draw_dataset("sample-e", tmp_path, n=12, seed=3)
        table = index_dataset("sample-e", "sample", tmp_path, {})
        assert len(table.usable) == 12
        assert table.info.release.startswith("sample-e, generator ")
        assert table.frame["subject"].notna().all()
