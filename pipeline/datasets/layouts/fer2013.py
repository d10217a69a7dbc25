"""`fer2013`: the csv of the challenge, whose rows are pictures, or class folders made of it."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.datasets.layouts.fer2013_facts import FACTS
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.class_folders import CodedOptions, class_rows, other_files
from pipeline.datasets.reading.listfile import Line, read_table
from pipeline.datasets.reading.rows import Row, assemble, splits_of, translate
from pipeline.datasets.roots.containers import member_name, row_text
from pipeline.datasets.roots.files import Root
from pipeline.datasets.roots.pixel_csv import PIXELS
from pipeline.errors import DatasetError
from pipeline.tables.labels import CODE_MAPS
from pipeline.tables.sample import Sample

__all__ = ["FER2013_CSV", "Fer2013", "pixel_lines"]

FER2013_CSV = "fer2013.csv"
_WITH_USAGE = (FER2013_CSV, "icml_face_data.csv")
_TRAIN, _TEST = "train.csv", "test.csv"
_CODES = CODE_MAPS["fer2013"]
_NO_LABEL = "no label"
_MERGED = "class folders, test is PublicTest and PrivateTest"


class Fer2013:
    """`fer2013.csv` or `icml_face_data.csv` (`emotion,pixels,Usage`), Kaggle's `train.csv`, or class folders of names.

    A row of the csv is a picture of 48 x 48 grey values, read in place: its path is `fer2013.csv::0000123`, for the row
    with that number below the header, and its id the number. `Usage` is the split: Training, PublicTest (val),
    PrivateTest (test). `train.csv` has no official split; the pictures of `test.csv` beside it have no labels and are
    counted as excluded. Where several of these files are below the root, the first of them is read.

    Codes of a csv are those of the challenge, unless the option `codes` states others. Class folders are named by words
    (`train/angry/*.jpg`); numbers need the option, as both the order of the csv and the alphabetical one occur. A copy
    with `train/` and `test/` alone has both test sets of the challenge merged; one with `train/` and `validation/`
    alone has a split of its own.
    """

    name = "fer2013"
    summary = "fer2013.csv, icml_face_data.csv or train.csv with emotion,pixels[,Usage], or class folders train/, test/"
    Options = CodedOptions
    facts = FACTS

    def scan(self, root: Root, options: CodedOptions) -> Scan:
        tables = [name for file in (*_WITH_USAGE, _TRAIN) if (name := root.find(file))]
        if tables:
            return _scan_table(root, tables, options)
        rows = class_rows(root, options.code_map, has_codes=True)
        if not rows:
            raise not_this_layout(root, self)
        return assemble(rows, options, _release(rows), unread_files=other_files(root))


def _scan_table(root: Root, tables: Sequence[str], options: CodedOptions) -> Scan:
    """The rows of the first of `tables`; the others are listed as unread."""
    name, *others = tables
    file = name.rpartition("/")[2].casefold()
    if file == _TRAIN:
        return assemble([*_rows(root, name, ("emotion",), options), *_unlabelled(root)], options, file)
    others += filter(None, [root.find(_TEST)])
    unread = {".csv": len(others)} if others else {}
    return assemble(_rows(root, name, ("emotion", "usage"), options), options, file, unread_files=unread)


def pixel_lines(root: Root, name: str, columns: Sequence[str]) -> Sequence[Line]:
    """The rows of a csv of pixels, without the pixels.

    Raises
    ------
    DatasetError
        If a column is missing, or a row is not one line.
    """
    lines = read_table(root, name, columns, ignored=(PIXELS,)).lines
    if len(lines) != (n := len(root.container(name).members())):
        raise DatasetError(
            f"{root.path}: {name}: expected one line for each row, found {n:,} lines and {len(lines):,} rows. "
            "Is a quote left open, or a line divided?"
        )
    return lines


def _rows(root: Root, name: str, columns: Sequence[str], options: CodedOptions) -> list[Row]:
    where = f"{root.path}: {name}"
    lines = pixel_lines(root, name, columns)
    labels = translate([line["emotion"] for line in lines], options.code_map or _CODES, where)
    usages = [line["usage"] if "usage" in columns else "train" for line in lines]
    splits = splits_of(usages, f"{where}: column Usage")
    return [
        Row(Sample(row_text(i), member_name(name, row_text(i)), label, split))
        for i, (label, split) in enumerate(zip(labels, splits, strict=True))
    ]


def _unlabelled(root: Root) -> list[Row]:
    name = root.find(_TEST)
    members = root.container(name).members() if name else ()
    return [Row(Sample("", member_name(name or "", member), "", ""), excluded=_NO_LABEL) for member in members]


def _release(rows: Sequence[Row]) -> str:
    splits = {row.sample.split for row in rows if not row.excluded}
    if splits == {"train", "test"}:
        return _MERGED
    return "class folders, train and validation" if splits == {"train", "val"} else "class folders"
