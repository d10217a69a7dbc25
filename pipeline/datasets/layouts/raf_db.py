"""`raf-db`: the basic set of RAF-DB, in the three forms that people have."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.class_folders import class_rows, other_files
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats, translate, val_as_test
from pipeline.datasets.roots.files import Lookup, Root, some
from pipeline.errors import DatasetError
from pipeline.tables.labels import CODE_MAPS
from pipeline.tables.sample import Sample

__all__ = ["RafDb"]

_CODES = CODE_MAPS["raf-db"]
# The spelling is the authors' own.
_LISTS: Mapping[str, tuple[str, str]] = {
    "EmoLabel/list_patition_label.txt": ("Image/aligned/", "official"),
    "annotation/list_patition_label.txt": ("aligned/", "aligned and annotation"),
}
_CLASSES = "surprise fear disgust happiness sadness anger neutral"
_FACTS = DatasetFacts(
    title="RAF-DB (basic)",
    content="15,339 faces from the web, each labelled by about 40 people with one of seven basic expressions; aligned "
    "to 100 x 100 pixels in colour",
    access="from its authors, who ask for a signed agreement",
    licence="For research by agreement with its authors: see the agreement that comes with the dataset.",
    reference="Li, Deng and Du, Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression "
    "Recognition in the Wild, CVPR 2017",
    label_codes="in the list and in folders of numbers: 1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, "
    "6 anger, 7 neutral",
    counts=(
        PublishedCounts(
            "basic set",
            labels={
                "train": class_counts(_CLASSES, 1290, 281, 717, 4772, 1982, 705, 2524),
                "test": class_counts(_CLASSES, 329, 74, 160, 1185, 478, 162, 680),
            },
            source="counted in a public copy of its list",
        ),
    ),
    traps=(
        "Codes count from 1; code written for lists that count from 0 shifts every label without an error.",
        "The list names train_00001.jpg for the file train_00001_aligned.jpg, and its own name is list_patition_label.",
        "There is no official validation set. What copies have as valid/ is the test set, or something of their own.",
        "One copy has augmented test images among train and val: official names (test_*) outside of test/ are refused.",
        "Numbers of papers that align the originals again are not on the official aligned pictures.",
    ),
    biases=("Classes are skewed: of train, 38.9 % are happiness and 2.3 % fear; test has 74 images of fear.",),
)


class RafDb:
    """Official (`Image/aligned`, `EmoLabel`), flat (`aligned`, `annotation`), or folders `train/1..7` and `test/1..7`.

    The list writes `train_00001.jpg 5` for the file `train_00001_aligned.jpg`; codes count from 1. Split folders may
    have any of their usual names. There is no official val split; it is carved out of train. The `valid/` that some
    copies have in place of `test/` is the test split if its files are named `test_*`, and is refused otherwise.
    """

    name = "raf-db"
    summary = "EmoLabel/list_patition_label.txt and Image/aligned/*_aligned.jpg, or train/1..7 and test/1..7"
    Options = LayoutOptions
    facts = _FACTS

    def scan(self, root: Root, options: LayoutOptions) -> Scan:
        for tail, (folder, release) in _LISTS.items():
            if name := _basic(root, tail):
                rows = _list_rows(root, name, name[: -len(tail)] + folder)
                return assemble(merge_repeats(rows, options.names), options, release)
        rows = class_rows(root, _CODES)
        if not rows:
            raise not_this_layout(root, self)
        return assemble(_official(rows, root), options, "class folders", unread_files=other_files(root))


def _official(rows: list[Row], root: Root) -> list[Row]:
    """The rows of class folders, in the splits that the names of the official files imply.

    Raises
    ------
    DatasetError
        If official test files are in the train or val split, or it is not known whether a val folder is the test set.
    """
    has_test = any(row.sample.split == "test" for row in rows)
    val = [row for row in rows if row.sample.split == "val"]
    if not has_test and any(_official_split(row) != "test" for row in val):
        raise DatasetError(
            f"{root.path}: expected train/ and test/, as RAF-DB has no validation set, found a validation folder "
            f"and no test/ (first {val[0].sample.path!r}). Rename it test/ if it holds the official test images, "
            "or read it by the layout folder with the option codes=raf-db"
        )
    rows = val_as_test(rows)
    misplaced = [
        row.sample.path for row in rows if row.sample.split in ("train", "val") and _official_split(row) == "test"
    ]
    if misplaced:
        raise DatasetError(
            f"{root.path}: expected official test images (test_*) in test/ only, found {len(misplaced)} elsewhere: "
            f"{some(misplaced)}. Move them into test/, or read it by the layout folder with the option codes=raf-db"
        )
    return rows


def _official_split(row: Row) -> str | None:
    return _split(row.sample.path.rpartition("/")[2])


def _basic(root: Root, tail: str) -> str | None:
    # A whole RAF-DB holds basic/ and compound/; asking for basic/ first makes one of two.
    name = root.find(f"basic/{tail}") or root.find(tail)
    if name and "compound" in name.casefold().split("/"):
        raise DatasetError(
            f"{root.path}: expected the basic set of RAF-DB, found the compound one ({name}), whose eleven labels are "
            "no basic expressions. Point the root at basic/"
        )
    return name


def _list_rows(root: Root, name: str, folder: str) -> list[Row]:
    where, lookup = f"{root.path}: {name}", Lookup(root.names())
    pairs = [line.split() for line in root.text(name).split("\n") if line.strip()]
    if bad := [" ".join(pair) for pair in pairs if len(pair) != 2 or _split(pair[0]) is None]:
        raise DatasetError(f"{where}: expected lines such as 'train_00001.jpg 5', found {len(bad)} others: {some(bad)}")
    labels = translate([code for _, code in pairs], _CODES, where)
    return [
        Row(Sample(_stem(image), lookup(f"{folder}{_stem(image)}_aligned.jpg"), label, _split(image) or ""))
        for (image, _), label in zip(pairs, labels, strict=True)
    ]


def _stem(image: str) -> str:
    return image.rpartition(".")[0].removesuffix("_aligned")


def _split(image: str) -> str | None:
    return {"train_": "train", "test_": "test"}.get(image[: image.find("_") + 1])
