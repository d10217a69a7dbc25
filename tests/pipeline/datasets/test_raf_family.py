"""RAF-DB and its relatives: what their readers refuse, and that one set is never taken for another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from trees import TREES, Tree, pack, picture
from trees.tree import lines

from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.layouts.raf_db_facts import RAF_DB, TRAIN_COUNTS
from pipeline.datasets.layouts.raf_lists import require_order
from pipeline.datasets.published import compare_with_published
from pipeline.errors import ConfigError, DatasetError
from pipeline.tables.labels import CLASS_SETS, CODE_MAPS
from pipeline.tables.samples import SampleTable

LIST = "EmoLabel/list_patition_label.txt"


def index(tree: Tree, folder: Path, changes: Mapping[str, bytes | None] | None = None, **options: Any) -> SampleTable:
    """The table of a tree, with some files replaced or left out."""
    files = {**tree.files, **(changes or {})}
    root = pack({name: data for name, data in files.items() if data is not None}, folder, "folder")
    return index_dataset("d", tree.layout, root, {**tree.options, **options})


class TestCounts:
    def test_published_counts_are_those_of_the_official_list(self) -> None:
        train, test = (LAYOUTS["raf-db"].facts.counts[0].labels[split] for split in ("train", "test"))  # type: ignore[attr-defined]
        codes = CODE_MAPS["raf-db"]
        assert [train[codes[code]] for code in range(1, 8)] == [1290, 281, 717, 4772, 1982, 705, 2524]
        assert [test[codes[code]] for code in range(1, 8)] == [329, 74, 160, 1185, 478, 162, 680]
        assert (sum(train.values()), sum(test.values())) == (12_271, 3_068)

    def test_the_compound_set_has_3954_images(self) -> None:
        totals = LAYOUTS["raf-db-compound"].facts.counts[0].totals  # type: ignore[attr-defined]
        assert (dict(totals), sum(totals.values())) == ({"train": 3162, "test": 792}, 3954)

    def test_a_complete_list_in_another_order_of_codes_is_refused(self) -> None:
        order = list(TRAIN_COUNTS)
        labels = [name for name, n in TRAIN_COUNTS.items() for _ in range(n)]
        require_order(labels, TRAIN_COUNTS, "list")
        require_order(labels[:-1], TRAIN_COUNTS, "list")  # a filtered list may have any numbers
        moved = [order[(order.index(name) + 1) % 7] for name in labels]
        with pytest.raises(DatasetError, match="fear 1,290, which is surprise"):
            require_order(moved, TRAIN_COUNTS, "list")


class TestOriginals:
    def test_boxes_become_x_y_width_height(self, tmp_path: Path) -> None:
        frame = index(TREES["raf_originals"], tmp_path).frame.set_index("id")
        assert frame.loc["train_00001", "box"] == (1, 2, 12, 12)
        assert frame.loc["test_0001", "box"] == (0, 0, 19, 20)
        assert frame.loc["train_00001", "path"] == "basic/Image/original/train_00001.jpg"

    @pytest.mark.parametrize(
        ("box", "message"),
        [
            (b"1 2 13", "expected a box of four numbers left, top, right, bottom in pixels, found '1 2 13'"),
            (b"1 2 13 x", "expected a box of four numbers"),
            (b"1 2 13 14 0.9", "expected a box of four numbers"),
            (b"12 2 6 14", "right or bottom edge is not beyond the other"),
            (b"1 2 300 14", "stick out of 2 of 2 pictures"),
        ],
    )
    def test_numbers_that_are_no_edges_are_refused(self, tmp_path: Path, box: bytes, message: str) -> None:
        names = [f"basic/Annotation/boundingbox/{stem}_boundingbox.txt" for stem in ("train_00001", "test_0001")]
        with pytest.raises(DatasetError, match=re.escape(message)):
            index(TREES["raf_originals"], tmp_path, dict.fromkeys(names, box))

    def test_shares_of_the_picture_are_refused(self, tmp_path: Path) -> None:
        names = [f"basic/Annotation/boundingbox/{stem}_boundingbox.txt" for stem in ("train_00001", "test_0001")]
        with pytest.raises(DatasetError, match="relative boxes"):
            index(TREES["raf_originals"], tmp_path, dict.fromkeys(names, b"0.1 0.2 0.8 0.9"))

    def test_originals_without_any_box_are_refused(self, tmp_path: Path) -> None:
        names = [name for name in TREES["raf_originals"].files if "boundingbox" in name]
        with pytest.raises(DatasetError, match=r"train_00001_boundingbox\.txt .* set images=aligned"):
            index(TREES["raf_originals"], tmp_path, dict.fromkeys(names))

    def test_aligned_pictures_are_the_default_and_the_same_samples(self, tmp_path: Path) -> None:
        table = index(TREES["raf_originals"], tmp_path, images="aligned")
        assert set(table.frame["id"]) == {"train_00001", "train_00002", "test_0001"}
        assert "box" not in table.frame


class TestCopies:
    def test_pictures_that_are_elsewhere_are_named_with_their_option(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"some in basic/Image/aligned_224/\. .*images=aligned_224"):
            index(TREES["raf_two_lists"], tmp_path, images="aligned")

    def test_one_of_two_lists_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="found the first only"):
            index(TREES["raf_two_lists"], tmp_path, {"basic/EmoLabel/test.txt": None})

    def test_test_images_in_the_train_list_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"expected images train_\*, found 1 others: 'test_0001\.jpg'"):
            index(TREES["raf_two_lists"], tmp_path, {"basic/EmoLabel/train.txt": lines("test_0001.jpg 5")})

    @pytest.mark.parametrize(
        ("name", "data", "message"),
        [
            (
                "train_test_split.txt",
                lines("1 1", "2 0", "3 0"),
                "1 for images train_* and 0 for test_*, found 1 others",
            ),
            ("train_test_split.txt", lines("1 1", "2 1"), "the same numbers of images"),
            ("images.txt", lines("1 ../train_00001.jpg", "2 a.jpg", "3 b.jpg"), "expected paths inside the root"),
            ("image_class_labels.txt", lines("1 5", "1 5", "3 4"), "expected every number once"),
            ("image_class_labels.txt", lines("x 5"), "expected lines of a number and one word"),
        ],
    )
    def test_numbered_lists_that_disagree_are_refused(
        self, tmp_path: Path, name: str, data: bytes, message: str
    ) -> None:
        with pytest.raises(DatasetError, match=re.escape(message)):
            index(TREES["raf_numbered"], tmp_path, {name: data})

    def test_noisy_lists_do_not_change_test_labels(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"as test labels stay clean, found 1 others: 'test_0001'"):
            index(TREES["raf_noisy_labels"], tmp_path, {"basic/EmoLabel/noise01.txt": lines("test_0001.jpg 1")})

    def test_noisy_labels_are_not_compared_with_the_counts_of_the_clean_ones(self, tmp_path: Path) -> None:
        table = index(TREES["raf_noisy_labels"], tmp_path, {})
        assert compare_with_published(table, RAF_DB).status == "none"
        assert compare_with_published(index(TREES["raf_official"], tmp_path / "clean", {}), RAF_DB).status == "differs"

    def test_an_image_with_two_noisy_labels_is_refused(self, tmp_path: Path) -> None:
        twice = lines("train_00001.jpg 1", "train_00001.jpg 2")
        with pytest.raises(DatasetError, match="one label per image, found two for 'train_00001'"):
            index(TREES["raf_noisy_labels"], tmp_path, {"basic/EmoLabel/noise01.txt": twice})

    def test_a_noisy_list_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"expected the list noise02\.txt of the option labels"):
            index(TREES["raf_noisy_labels"], tmp_path, labels="noise02.txt")

    def test_options_of_lists_are_refused_for_class_folders(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="Leave these options out"):
            index(TREES["raf_folders_with_lists"], tmp_path, images="original")


def test_lists_beside_class_folders_are_not_called_unread(tmp_path: Path) -> None:
    tree = TREES["raf_folders_with_lists"]
    n_others = sum(name.endswith(".csv") for name in tree.files) - 2
    assert index(tree, tmp_path).info.unread_files.get(".csv", 0) == n_others


class TestBesideEachOther:
    """A whole RAF-DB: basic/ and compound/ with files of the same names."""

    FILES: Mapping[str, bytes] = {
        f"basic/{LIST}": lines("train_00001.jpg 1", "test_0001.jpg 7"),
        f"compound/{LIST}": lines("train_0001.jpg 1", "test_0001.jpg 7"),
        **{
            f"{part}/Image/aligned/{stem}_aligned.jpg": picture(i)
            for i, (part, stem) in enumerate(
                [
                    ("basic", "train_00001"),
                    ("basic", "test_0001"),
                    ("compound", "train_0001"),
                    ("compound", "test_0001"),
                ]
            )
        },
    }

    @pytest.mark.parametrize(
        ("layout", "part", "labels"),
        [
            ("raf-db", "basic", {"surprise", "neutral"}),
            ("raf-db-compound", "compound", {"happily surprised", "fearfully angry"}),
        ],
    )
    def test_each_layout_reads_its_own(self, tmp_path: Path, layout: str, part: str, labels: set[str]) -> None:
        frame = index_dataset("d", layout, pack(self.FILES, tmp_path, "zip"), {}).frame
        assert frame["path"].str.startswith(f"{part}/").all()
        assert set(frame["label"]) == labels

    @pytest.mark.parametrize("prefix", ["basic/", ""], ids=["named basic", "the root itself"])
    def test_the_basic_set_is_no_compound_one(self, tmp_path: Path, prefix: str) -> None:
        files = {f"{prefix}{LIST}": self.FILES[f"basic/{LIST}"]}
        with pytest.raises(DatasetError, match=r"expected the compound set .* by the layout raf-db"):
            index_dataset("d", "raf-db-compound", pack(files, tmp_path, "folder"), {})

    def test_the_compound_set_is_no_basic_one(self, tmp_path: Path) -> None:
        files = {f"compound/{LIST}": self.FILES[f"compound/{LIST}"]}
        with pytest.raises(DatasetError, match="by the layout raf-db-compound"):
            index_dataset("d", "raf-db", pack(files, tmp_path, "folder"), {})


class TestRafMl:
    TREE = TREES["raf_distributions"]

    def test_shares_become_distributions_over_the_classes(self, tmp_path: Path) -> None:
        """Columns are surprise, fear, disgust, happiness, sadness, anger; neutral has no column."""
        frame = index(self.TREE, tmp_path).frame.set_index("id")
        assert frame.loc["train_0001", "distribution"] == pytest.approx((0.1, 0, 0, 0.7, 0.2, 0, 0))
        assert frame.loc["test_0001", "distribution"] == (0, 0, 0, 0, 0, 1, 0)

    def test_equal_shares_are_left_out_on_request(self, tmp_path: Path) -> None:
        table = index(self.TREE, tmp_path, ties="exclude")
        assert "train_0002" not in set(table.frame["id"])
        assert table.info.excluded["several largest shares"] == 1

    @pytest.mark.parametrize("columns", ["", "surprise,fear"])
    def test_the_order_of_the_columns_is_never_guessed(self, tmp_path: Path, columns: str) -> None:
        with pytest.raises(DatasetError, match="expected the option columns with the expressions of its 6 columns"):
            index(self.TREE, tmp_path, columns=columns)

    def test_columns_are_checked(self, tmp_path: Path) -> None:
        for columns, message in (("surprise,surprised", "every expression once"), ("joyy", "unknown label 'joyy'")):
            with pytest.raises(ConfigError, match=message):
                index(self.TREE, tmp_path, columns=columns)

    @pytest.mark.parametrize(
        "shares", ["0.5 0 0 0 0 0", "1 0 0 0 0", "1.5 -0.5 0 0 0 0", "a 0 0 0 0 1", "nan 1 0 0 0 0"]
    )
    def test_shares_that_are_none_are_named(self, tmp_path: Path, shares: str) -> None:
        data = lines("train_0001.jpg 1 0 0 0 0 0", f"train_0002.jpg {shares}")
        with pytest.raises(DatasetError, match=f"that sum to 1, found 1 others: 'train_0002.jpg {shares}'"):
            index(self.TREE, tmp_path, {"EmoLabel/distribution.txt": data})

    def test_a_partition_without_a_known_meaning_is_refused(self, tmp_path: Path) -> None:
        name = "EmoLabel/partition_label.txt"
        mixed = lines("train_0001.jpg 0", "train_0002.jpg 1", "test_0001.jpg 1")
        with pytest.raises(DatasetError, match=r"or the option partition with what the codes 0, 1 mean"):
            index(self.TREE, tmp_path, {name: mixed})
        frame = index(self.TREE, tmp_path / "b", {name: mixed}, partition={0: "train", 1: "test"}).frame.set_index("id")
        assert frame.loc["train_0002", "split"] == "test"
        with pytest.raises(DatasetError, match="found also '1'"):
            index(self.TREE, tmp_path / "c", {name: mixed}, partition={0: "train"})

    def test_a_partition_that_exchanges_train_and_test_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="Exchange the meanings of the codes"):
            index(self.TREE, tmp_path, partition={0: "test", 1: "train"})

    def test_an_image_in_two_partitions_is_refused(self, tmp_path: Path) -> None:
        twice = lines("train_0001.jpg 1", "train_0001_aligned.jpg 0", "test_0001.jpg 1")
        with pytest.raises(DatasetError, match="expected one partition per image, found another one in 1 lines"):
            index(self.TREE, tmp_path, {"EmoLabel/partition_label.txt": twice}, partition={0: "train", 1: "test"})


class TestRafCe:
    TREE = TREES["raf_fourteen"]

    @pytest.mark.parametrize("codes", [None, {0: "happily surprised"}, "raf-compound"])
    def test_the_order_of_the_codes_is_never_guessed(self, tmp_path: Path, codes: object) -> None:
        with pytest.raises(DatasetError, match="expected the option codes with the label of each code from 0 to 13"):
            index(self.TREE, tmp_path, codes=codes)

    def test_two_codes_of_one_label_are_refused(self, tmp_path: Path) -> None:
        codes = dict(enumerate(CLASS_SETS["raf-ce"])) | {13: "happily surprised"}
        with pytest.raises(DatasetError, match="each once"):
            index(self.TREE, tmp_path, codes=codes)

    def test_lists_are_named_by_options(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"expected the option labels .* 'RAF_label.txt', 'RAF_partition.txt'"):
            index(self.TREE, tmp_path, labels="")

    def test_an_unknown_partition_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"1 \(test\) or 2 \(val\), found 1 others: '0001.jpg 3'"):
            index(self.TREE, tmp_path, {"RAF_partition.txt": lines("0001.jpg 3")})

    def test_an_image_in_two_partitions_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="expected one partition per image"):
            index(self.TREE, tmp_path, {"RAF_partition.txt": lines("0001.jpg 0", "0001.jpg 1")})

    def test_names_without_a_suffix_are_the_same_images(self, tmp_path: Path) -> None:
        plain = {name: self.TREE.files[name].replace(b".jpg", b"") for name in ("RAF_label.txt", "RAF_partition.txt")}
        expected = index(self.TREE, tmp_path / "a").frame
        assert index(self.TREE, tmp_path / "b", plain).frame.equals(expected)

    def test_the_eleven_of_raf_db_leave_three_labels_out(self, tmp_path: Path) -> None:
        table = index(self.TREE, tmp_path, classes="raf-compound")
        assert table.info.excluded == {"happily sad": 1, "no partition": 1}
        assert table.info.classes == CLASS_SETS["raf-compound"]
