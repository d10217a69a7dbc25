"""`affectnet`: three releases whose files have nothing in common."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts
from pipeline.datasets.layouts.affectnet_npy import npy_rows
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.boxes import pixel_box
from pipeline.datasets.reading.class_folders import class_rows, other_files
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
            options={"filtered": False},
            source="train as public readers count it; the validation set has 500 of each expression",
        ),
        PublishedCounts(
            "cropped faces of 2021, one validation image missing",
            labels={"train": _TRAIN},
            totals={"test": 3_999},
            options={"classes": 8, "filtered": False},
            source="public readers: 287,651 train; one image of the validation set is missing",
        ),
        PublishedCounts(
            "cropped faces of 2021, one validation image missing, not one of contempt",
            labels={"train": {name: n for name, n in _TRAIN.items() if name != CONTEMPT}},
            totals={"test": 3_499},
            options={"classes": 7, "filtered": False},
            source="283,901 train; one image of the validation set is missing",
        ),
    ),
    traps=(
        "The public validation set is the test set of the field: it is the test split here; val is carved from train.",
        "A reader that passes face_y, face_x as a box crops the wrong place without an error.",
        "Folders 0 to 7 are the official codes in some copies and alphabetical positions in others: option codes.",
        "CAFE states 286,564 train and 4,000 test images; its accuracies only fit 3,489 test images.",
        "The release of 2017 has whole pictures: without the boxes of its lists nothing is cropped.",
        "The automatically annotated images are another set, and are not read.",
        "The copies of 96 x 96 (29,042 images with a labels.csv) are a part, and not this layout: read them by csv.",
    ),
    biases=(
        "Train is skewed and the validation set is balanced (500 of each): of train with eight classes, 46.7 % are "
        "happiness and 1.3 % each disgust and contempt. Recipes draw every class equally often.",
    ),
)


class AffectNetOptions(LayoutOptions):
    filtered: bool = Field(
        False, description="lists of 2017: read training_filtered.csv, and validation_filtered.csv where it exists"
    )
    codes: Literal["affectnet", "alphabetical-8", "alphabetical-7"] = Field(
        "affectnet",
        description="class folders named by numbers: the official codes, or positions in alphabetical order",
    )


class AffectNet:
    """The csv lists of 2017, the npy files of 2021, or class folders made of either; distinguished by their files.

    Of the lists the path, the face box in pixels and the expression are read; other columns that look like a split, a
    subject or a box are listed as unread. Class folders may lie below split folders in any of their spellings.

    The public validation set is the test set of the field, so it is the test split here; val is carved out of train.
    Landmarks, valence and arousal are not read, nor are the automatically annotated images.
    """

    name = "affectnet"
    summary = (
        "training.csv and validation.csv, or train_set/ and val_set/ with *_exp.npy, or class folders train/, val/"
    )
    Options = AffectNetOptions
    facts = _FACTS

    def scan(self, root: Root, options: AffectNetOptions) -> Scan:
        tables = _tables(root, options.filtered)
        if tables:
            read = {split: read_table(root, name, (_PATH, *_BOX, "expression")) for split, name in tables.items()}
            rows = [row for split, table in read.items() for row in _table_rows(root, table, tables[split], split)]
            unread = tuple(dict.fromkeys(column for table in read.values() for column in table.lookalikes))
            return assemble(merge_repeats(rows, options.names), options, "manual lists (2017)", unread_columns=unread)
        if rows := npy_rows(root, _CODES):
            return assemble(rows, options, "cropped, npy labels (2021)")
        if rows := class_rows(root, CODE_MAPS[options.codes]):
            return assemble(val_as_test(rows), options, "class folders", unread_files=other_files(root))
        raise not_this_layout(root, self)


def _tables(root: Root, filtered: bool) -> dict[str, str]:
    """Split -> list file."""
    train = root.find("training_filtered.csv" if filtered else "training.csv")
    test = (filtered and root.find("validation_filtered.csv")) or root.find("validation.csv")
    if filtered and train is None:
        raise DatasetError(f"{root.path}: expected training_filtered.csv, found none. Set the option filtered to false")
    return {split: name for split, name in (("train", train), ("test", test)) if name}


def _table_rows(root: Root, table: Table, name: str, split: str) -> list[Row]:
    lines = table.lines
    reasons = [_reason_to_exclude(line) for line in lines]
    raw = [line["expression"] for line, reason in zip(lines, reasons, strict=True) if not reason]
    labels = iter(translate(raw, _CODES, f"{root.path}: {name}"))
    images = [name for name in root.names() if "automatically_annotated" not in name.casefold()]
    lookup = Lookup(images, parts=2)
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
