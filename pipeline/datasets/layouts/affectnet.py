"""`affectnet`: four releases whose files have nothing in common, and its automatically annotated images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts
from pipeline.datasets.layouts.affectnet_files import JSON, NPY
from pipeline.datasets.layouts.affectnet_order import refuse_other_order
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.boxes import pixel_box
from pipeline.datasets.reading.class_folders import class_rows, other_files
from pipeline.datasets.reading.halves import refuse_without_test
from pipeline.datasets.reading.listfile import Line, Table, read_table
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats, translate, val_as_test
from pipeline.datasets.roots.files import Lookup, Root
from pipeline.errors import DatasetError
from pipeline.tables.labels import CODE_MAPS, CONTEMPT
from pipeline.tables.sample import Sample

__all__ = ["AffectNet", "AffectNetOptions"]

_CODES = CODE_MAPS["affectnet"]
_NO_EXPRESSION = {"8": "none", "9": "uncertain", "10": "no face"}
_NO_BOX = "no face box"
_BOX = ("face_x", "face_y", "face_width", "face_height")
_PATH = "subdirectory_filepath"
_PICTURES = "_annotated_images/"
_AUTOMATIC = "automatically_annotated.csv"
_CLASSES = "neutral happiness sadness surprise fear disgust anger contempt"
_TRAIN = class_counts(_CLASSES, 74_874, 134_415, 25_459, 14_090, 6_378, 3_803, 24_882, 3_750)
_FACTS = DatasetFacts(
    title="AffectNet",
    content="faces from the web, searched by words for emotions: boxes in whole pictures (2017), or faces cropped to "
    "224 x 224 (2021)",
    access="from its authors, who ask for a signed agreement",
    licence="For research by agreement with its authors: see the agreement that comes with the dataset.",
    reference="Mollahosseini, Hasani and Mahoor, AffectNet: A Database for Facial Expression, Valence, and Arousal "
    "Computing in the Wild, IEEE Transactions on Affective Computing, 2019",
    label_codes="0 neutral, 1 happiness, 2 sadness, 3 surprise, 4 fear, 5 disgust, 6 anger, 7 contempt; in the lists "
    "of 2017 also 8 none, 9 uncertain, 10 no face, which are excluded. Folders of copies are numbered so, or in "
    "alphabetical order",
    counts=(
        PublishedCounts(
            "manual annotations, complete",
            labels={"train": _TRAIN, "test": dict.fromkeys(_TRAIN, 500)},
            options={"annotations": "manual", "filtered": False},
            source="train as public readers count it; the validation set has 500 of each expression",
        ),
        PublishedCounts(
            "cropped faces of 2021, one validation image missing",
            labels={"train": _TRAIN},
            totals={"test": 3_999},
            options={"annotations": "manual", "classes": 8, "filtered": False},
            source="public readers: 287,651 train; one image of the validation set is missing",
        ),
        PublishedCounts(
            "cropped faces of 2021, one validation image missing, not one of contempt",
            labels={"train": {name: n for name, n in _TRAIN.items() if name != CONTEMPT}},
            totals={"test": 3_499},
            options={"annotations": "manual", "classes": 7, "filtered": False},
            source="283,901 train; one image of the validation set is missing",
        ),
    ),
    traps=(
        "The public validation set is the test set of the field: it is the test split here; val is carved from train.",
        "A reader that passes face_y, face_x as a box crops the wrong place without an error.",
        "Folders 0 to 7 are the official codes in some copies and alphabetical positions in others: option codes.",
        "CAFE states 286,564 train and 4,000 test images; its accuracies only fit 3,489 test images.",
        "The release of 2017 has whole pictures: without the boxes of its lists nothing is cropped.",
        "The automatically annotated images are another set, with labels of a program: option annotations=automatic.",
        "Two releases below one root are refused, as they share pictures.",
        "Copies of 96 x 96 pixels (29,042 images with a labels.csv) are a part of it: read their class folders by the "
        "layout folder, or the table by csv, with columns named path and label. Class folders of affectnet8-retinaface "
        "are read by folder, too: with codes=affectnet or codes=alphabetical-8 if they are numbered; look which.",
        "Of AffectNet+ the human label is read; its soft labels are not documented.",
        "The test list of FERBench has 4,000 rows, the whole validation set of eight classes.",
    ),
    biases=(
        "Train is skewed and the validation set is balanced (500 of each): of train with eight classes, 46.7 % are "
        "happiness and 1.3 % each disgust and contempt. Recipes draw every class equally often.",
    ),
)


CodesName = Literal["affectnet", "alphabetical-8", "alphabetical-7"]


class AffectNetOptions(LayoutOptions):
    annotations: Literal["manual", "automatic"] = Field(
        "manual",
        description="lists of 2017: the images that people annotated, or those that a program did (one list, no "
        "official split); never both",
    )
    filtered: bool = Field(
        False, description="lists of 2017: read training_filtered.csv, and validation_filtered.csv where it exists"
    )
    codes: CodesName = Field(
        "affectnet",
        description="class folders named by numbers: the official codes, or positions in alphabetical order",
    )

    @model_validator(mode="after")
    def _has_one_list(self) -> Self:
        if self.filtered and self.annotations == "automatic":
            raise ValueError("filtered is about the lists of manual annotations: set one of filtered and annotations")
        return self


class AffectNet:
    """The csv lists of 2017, npy files (2021) or json files (AffectNet+), or class folders; distinguished by files.

    Of the lists the path, the face box in pixels and the expression are read; other columns that look like a split, a
    subject or a box are listed as unread. Of a json file `human-label` is read. Class folders may lie below split
    folders in any of their spellings. Two releases below one root are refused, and so is a release without its
    validation images, unless `test_fraction` is 0.

    The public validation set is the test set of the field, so it is the test split here; val is carved out of train.
    Landmarks, valence and arousal are not read. The automatically annotated images (`annotations: automatic`) have no
    official split.
    """

    name = "affectnet"
    summary = (
        "training.csv and validation.csv, or train_set/ and val_set/ with *_exp.npy, or human_annotated/ with *.json, "
        "or class folders train/, val/"
    )
    Options = AffectNetOptions
    facts = _FACTS

    def scan(self, root: Root, options: AffectNetOptions) -> Scan:
        if options.annotations == "automatic":
            if not root.names():
                raise not_this_layout(root, self)
            _refuse_other_codes(root, options)
            return _scan_lists(root, {"": _automatic_list(root)}, options, "automatic list (2017)")
        tables = _tables(root, options.filtered)
        _refuse_mixed(root, tables.values())
        if tables or NPY.folders(root) or JSON.folders(root):
            _refuse_other_codes(root, options)
        if tables:
            return _scan_lists(root, tables, options, "manual lists (2017)")
        for files, release in ((NPY, "cropped, npy labels (2021)"), (JSON, "cropped, json labels (AffectNet+)")):
            if rows := files.rows(root, _CODES):
                refuse_without_test(root, rows, options, f"{list(files.sets)[1]}/annotations/*{files.end}")
                return assemble(rows, options, release)
        _refuse_without_lists(root)
        if rows := class_rows(root, CODE_MAPS[options.codes]):
            refuse_other_order(rows, options.codes, get_args(CodesName), _TRAIN, str(root.path))
            return assemble(val_as_test(rows), options, "class folders", unread_files=other_files(root))
        raise not_this_layout(root, self)


def _tables(root: Root, filtered: bool) -> dict[str, str]:
    """Split -> list file."""
    train = root.find("training_filtered.csv" if filtered else "training.csv")
    test = (filtered and root.find("validation_filtered.csv")) or root.find("validation.csv")
    if filtered and train is None:
        raise DatasetError(f"{root.path}: expected training_filtered.csv, found none. Set the option filtered to false")
    return {split: name for split, name in (("train", train), ("test", test)) if name}


def _refuse_without_lists(root: Root) -> None:
    """Folders of the pictures of 2017 are numbered, too, and those numbers are no labels."""
    if name := root.find(_AUTOMATIC):
        raise DatasetError(
            f"{root.path}: expected training.csv and validation.csv, found the list of the automatically annotated "
            f"images alone ({name}). Set the option annotations=automatic to read those"
        )
    if name := next((name for name in root.names() if _PICTURES in name.casefold()), None):
        raise DatasetError(
            f"{root.path}: expected training.csv and validation.csv, found pictures of the release of 2017 ({name}) "
            "without them. Put the lists below the root"
        )


def _refuse_other_codes(root: Root, options: AffectNetOptions) -> None:
    if options.codes != "affectnet":
        raise DatasetError(
            f"{root.path}: expected codes=affectnet, as lists and label files of AffectNet have the official codes, "
            f"found codes={options.codes}, which is for class folders. Leave the option codes out"
        )


def _automatic_list(root: Root) -> str:
    name = root.find(_AUTOMATIC)
    if name is None:
        raise DatasetError(
            f"{root.path}: expected {_AUTOMATIC} (option annotations=automatic), found none. Unpack the automatically "
            "annotated part below the root, or set annotations=manual"
        )
    return name


def _refuse_mixed(root: Root, tables: Iterable[str]) -> None:
    """Two releases share most of their images: rows of both would be in train and test."""
    releases = [
        f"{release} ({first[0]})"
        for release, first in (
            ("the lists of 2017", list(tables)),
            ("the release of 2021", NPY.folders(root)),
            ("AffectNet+", JSON.folders(root)),
        )
        if first
    ]
    if len(releases) > 1:
        raise DatasetError(
            f"{root.path}: expected one release of AffectNet, found {' and '.join(releases)}. Point the root at one of "
            "them, or move the others out of it"
        )


def _scan_lists(root: Root, tables: Mapping[str, str], options: AffectNetOptions, release: str) -> Scan:
    read = {split: read_table(root, name, (_PATH, *_BOX, "expression")) for split, name in tables.items()}
    lookup = Lookup(_images_of(root, options.annotations), parts=2)
    rows = [row for split, table in read.items() for row in _table_rows(root, table, tables[split], split, lookup)]
    if "" not in tables:
        refuse_without_test(root, rows, options, "validation.csv")
    unread = tuple(dict.fromkeys(column for table in read.values() for column in table.lookalikes))
    return assemble(merge_repeats(rows, options.names), options, release, unread_columns=unread)


def _images_of(root: Root, annotations: str) -> list[str]:
    """Both parts name their images alike (`1/hash.jpg`): those below the other part's folder are not searched."""
    other = "automatically_annotated" if annotations == "manual" else "manually_annotated"
    return [name for name in root.names() if other not in name.casefold()]


def _table_rows(root: Root, table: Table, name: str, split: str, lookup: Lookup) -> list[Row]:
    lines = table.lines
    reasons = [_reason_to_exclude(line) for line in lines]
    raw = [line["expression"] for line, reason in zip(lines, reasons, strict=True) if not reason]
    labels = iter(translate(raw, _CODES, f"{root.path}: {name}"))
    return [
        Row(_sample(line, lookup, next(labels), split)) if not reason else Row(_excluded_sample(line, split), reason)
        for line, reason in zip(lines, reasons, strict=True)
    ]


def _reason_to_exclude(line: Line) -> str:
    if reason := _NO_EXPRESSION.get(line["expression"].partition(".")[0]):
        return reason
    return _NO_BOX if line.whole("face_width") <= 0 or line.whole("face_height") <= 0 else ""


def _sample(line: Line, lookup: Lookup, label: str, split: str) -> Sample:
    box, reason = pixel_box(tuple(line.whole(column) for column in _BOX))
    return Sample(line[_PATH], lookup(line[_PATH]), label, split, reason=reason, box=box)


def _excluded_sample(line: Line, split: str) -> Sample:
    return Sample(line[_PATH], line[_PATH], "", split)
