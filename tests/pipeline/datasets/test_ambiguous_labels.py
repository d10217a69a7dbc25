"""Labels that are bare numbers are refused with the maps that fit, and with examples of each number."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from trees import pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.datasets.reading.ambiguous import is_number, refuse_numbers
from pipeline.datasets.reading.rows import translate
from pipeline.errors import AmbiguousLabelsError, LabelError
from pipeline.tables.labels import CODE_MAPS, EXPRESSIONS


def folders(counts: Mapping[str, int]) -> dict[str, bytes]:
    return {f"train/{label}/{i}.png": picture(i) for label, n in counts.items() for i in range(n)}


def table(*lines: str) -> dict[str, bytes]:
    names = {line.split(",")[0] for line in lines}
    return {"labels.csv": "\n".join(("path,label", *lines)).encode(), **{name: picture(1) for name in names}}


def refused(layout: str, files: Mapping[str, bytes], folder: Path) -> AmbiguousLabelsError:
    with pytest.raises(AmbiguousLabelsError) as caught:
        index_dataset("d", layout, pack(files, folder, "folder"), {})
    return caught.value


def of_labels(labels: Sequence[str], paths: Sequence[str] | None = None) -> AmbiguousLabelsError:
    with pytest.raises(AmbiguousLabelsError) as caught:
        refuse_numbers(labels, [""] * len(labels) if paths is None else paths, "d")
    return caught.value


class TestFolders:
    @pytest.mark.parametrize(
        ("numbers", "presets"),
        [
            (
                range(7),
                ("raf-0-based", "affectnet", "alphabetical-8", "alphabetical-7", "fer2013", "ck-plus", "dfew-0-based"),
            ),
            (range(8), ("affectnet", "alphabetical-8", "ck-plus")),
            (range(1, 8), ("raf-db", "affectnet", "alphabetical-8", "ck-plus", "dfew")),
            (range(13), ()),
        ],
    )
    def test_the_maps_that_have_all_numbers_are_named(
        self, numbers: range, presets: tuple[str, ...], tmp_path: Path
    ) -> None:
        error = refused("folder", folders({str(number): 2 for number in numbers}), tmp_path)
        basic = [name for name in error.presets if set(CODE_MAPS[name].values()) <= set(EXPRESSIONS)]
        assert basic == list(presets)
        assert all(f"codes={name}: " in str(error) for name in presets)
        assert f"{len(numbers)} unknown labels, all of them numbers" in str(error)
        assert ("No code map has all of them" in str(error)) == (not error.presets)

    def test_counts_and_examples_are_per_number(self, tmp_path: Path) -> None:
        error = refused("folder", folders({"0": 1, "10": 3, "2": 2}), tmp_path)
        assert "0 (1 images), 2 (2 images), 10 (3 images)" in str(error)
        assert error.examples == {
            "0": ["train/0/0.png"],
            "2": ["train/2/0.png", "train/2/1.png"],
            "10": ["train/10/0.png", "train/10/1.png", "train/10/2.png"],
        }

    @pytest.mark.parametrize("name", ["raf-0-based", "affectnet", "alphabetical-7", "{0: fear, 1: sad, 2: joy}"])
    def test_the_advice_works(self, name: str, tmp_path: Path) -> None:
        files = folders({"0": 1, "1": 2, "2": 3})
        assert "by the option codes=NAME" in str(refused("folder", files, tmp_path))
        codes = {0: "fear", 1: "sadness", 2: "happiness"} if name.startswith("{") else CODE_MAPS[name]
        options = {"codes": codes if name.startswith("{") else name}
        table = index_dataset("d", "folder", pack(files, tmp_path, "zip"), options)
        assert table.frame["label"].tolist() == [codes[0], codes[1], codes[1], codes[2], codes[2], codes[2]]

    def test_names_and_numbers_together_are_refused_as_unknown_labels(self, tmp_path: Path) -> None:
        with pytest.raises(LabelError) as caught:
            index_dataset("d", "folder", pack(folders({"fear": 1, "1": 1}), tmp_path, "folder"), {})
        assert not isinstance(caught.value, AmbiguousLabelsError)

    def test_names_need_no_map(self, tmp_path: Path) -> None:
        files = folders({"anger": 1, "disgust": 1, "surprise": 1})
        assert len(index_dataset("d", "folder", pack(files, tmp_path, "folder"), {})) == 3


class TestTables:
    @pytest.mark.parametrize("form", ["{}", "{}.0", "  {}.0000000e+00"])
    def test_numbers_in_a_column_are_refused_however_they_are_written(self, form: str, tmp_path: Path) -> None:
        lines = [f"{i}.png,{form.format(i % 3)}" for i in range(9)]
        error = refused("csv", table(*lines), tmp_path)
        assert [int(float(number)) for number in error.examples] == [0, 1, 2]
        assert list(error.examples.values()) == [[f"{i + k}.png" for k in (0, 3, 6)] for i in range(3)]

    def test_the_advice_works(self, tmp_path: Path) -> None:
        lines = [f"{i}.png,{i}" for i in range(1, 8)]
        assert refused("csv", table(*lines), tmp_path).presets[0] == "raf-db"
        frame = index_dataset("d", "csv", pack(table(*lines), tmp_path, "zip"), {"codes": "raf-db"}).frame
        assert frame["label"].tolist() == list(CODE_MAPS["raf-db"].values())


class TestHint:
    """RAF-DB train: 1290, 281, 717, 4772, 1982, 705, 2524 of codes 1 to 7; AffectNet: 74874, 134415, 25459, ..."""

    @pytest.mark.parametrize(
        ("counts", "words"),
        [
            ({1: 129, 2: 28, 3: 71, 4: 477, 5: 198, 6: 70, 7: 252}, "speaks for raf-db or alphabetical-8: a hint"),
            ({0: 748, 1: 1344, 2: 254, 3: 140, 4: 63, 5: 38, 6: 248, 7: 37}, "speaks for affectnet: a hint"),
        ],
    )
    def test_the_largest_number_speaks_for_the_maps_that_make_it_happiness(
        self, counts: dict[int, int], words: str
    ) -> None:
        labels = [str(code) for code, n in counts.items() for _ in range(n)]
        assert words in str(of_labels(labels))

    @pytest.mark.parametrize("counts", [dict.fromkeys(range(8), 50), {2: 50, 1: 10}, {3: 9}])
    def test_equal_numbers_and_others_give_none(self, counts: dict[int, int]) -> None:
        labels = [str(code) for code, n in counts.items() for _ in range(n)]
        assert "hint" not in str(of_labels(labels))


SPLITS = ("train", "valid", "test")
NUMBERED = {f"{split}/{code}/{code}.png": picture(code) for split in SPLITS for code in range(7)}
SFEW = {f"{split}/{code}/{code}.png": picture(code) for split in ("Train", "Val") for code in range(7)}
SFEW_TABLE = {f"sfew2.0_images/{code}.png": picture(code) for code in range(7)} | {
    "sfew_2.0_labels.csv": "\n".join(
        ("image_name,label,emotion,original_split", *(f"{code}.png,{code},{code},Val" for code in range(7)))
    ).encode()
}
LISTED = {name: data for name, data in NUMBERED.items() if name.startswith("test/")} | {
    "test.txt": "\n".join(f"test/{code}/{code}.png {code}" for code in range(7)).encode()
}


@pytest.mark.parametrize(
    ("layout", "files"),
    [("fer2013", NUMBERED), ("mma", NUMBERED), ("sfew", SFEW), ("sfew", SFEW_TABLE), ("list", LISTED)],
    ids=["fer2013", "mma", "sfew", "sfew table", "list"],
)
def test_every_layout_with_code_maps_names_those_that_fit_and_has_examples(
    layout: str, files: dict[str, bytes], tmp_path: Path
) -> None:
    error = refused(layout, files, tmp_path)
    assert "fer2013" in error.presets
    assert "raf-db" not in error.presets
    assert sorted(error.examples) == [str(code) for code in range(7)]
    assert all(names and set(names) <= files.keys() for names in error.examples.values())


def test_examples_are_spread_over_all_images() -> None:
    paths = [f"{i:03d}.png" for i in range(240)]
    assert of_labels(["1"] * 240, paths).examples["1"] == paths[::10]


def test_images_that_do_not_exist_are_no_examples() -> None:
    assert of_labels(["1", "1"], ["", "b.png"]).examples == {"1": ["b.png"]}


def test_rows_without_a_label_are_not_looked_at() -> None:
    error = of_labels(["1", "", "2"], ["a.png", "b.png", "c.png"])
    assert error.examples == {"1": ["a.png"], "2": ["c.png"]}


def test_what_else_is_known_is_in_the_message() -> None:
    with pytest.raises(
        AmbiguousLabelsError,
        match=r"1 \(1 images\)\. The card names six\. Name the map that fits by the option codes=NAME",
    ):
        refuse_numbers(["1"], ["a.png"], "d", "The card names six.")


@pytest.mark.parametrize("labels", [[], [""], ["fear"], ["1", "fear"], ["1.5"], ["1a"]])
def test_others_are_not_refused(labels: list[str]) -> None:
    refuse_numbers(labels, labels, "d")


@pytest.mark.parametrize("label", ["", "1.5", "1e3", "a1", "nan"])
def test_others_are_no_numbers(label: str) -> None:
    assert not is_number(label)


def test_a_map_that_lacks_numbers_is_refused_and_the_advice_works(tmp_path: Path) -> None:
    root = pack({f"{code}/{j}.png": picture(10 * code + j) for code in range(4) for j in range(2)}, tmp_path, "folder")
    with pytest.raises(LabelError, match=r"no name for 2, 3\. Add it: codes=") as caught:
        index_dataset("d", "folder", root, {"codes": {0: "anger", 1: "disgust"}})
    assert "maps that have all of the numbers: " in str(caught.value)
    advised = re.search(r"codes=(\{[^}]*\})", str(caught.value))
    assert advised
    assert advised[1] == "{0: anger, 1: disgust, 2: NAME, 3: NAME}"
    codes = {0: "anger", 1: "disgust", 2: "fear", 3: "sadness"}
    assert index_dataset("d", "folder", root, {"codes": codes}).frame["label"].nunique() == 4


def test_a_map_of_a_layout_is_not_called_an_option() -> None:
    with pytest.raises(LabelError) as caught:
        translate(["9"], {1: "fear"}, "list.txt")
    assert "option codes" not in str(caught.value)
