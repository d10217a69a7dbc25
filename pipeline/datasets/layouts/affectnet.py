"""`affectnet`: three releases whose files have nothing in common."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.datasets.layouts.affectnet_npy import npy_rows
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.boxes import pixel_box
from pipeline.datasets.reading.class_folders import class_rows, other_files
from pipeline.datasets.reading.listfile import Line, Table, read_table
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats, translate, val_as_test
from pipeline.datasets.roots.files import Lookup, Root
from pipeline.errors import DatasetError
from pipeline.tables.labels import CODE_MAPS
from pipeline.tables.sample import Sample

__all__ = ["AffectNet", "AffectNetOptions"]

_CODES = CODE_MAPS["affectnet"]
_NO_EXPRESSION = {"8": "none", "9": "uncertain", "10": "no face"}
_NO_BOX = "no face box"
_BOX = ("face_x", "face_y", "face_width", "face_height")
_PATH = "subdirectory_filepath"


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
