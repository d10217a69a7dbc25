"""`raf-db`: the basic set of RAF-DB, in the forms that people have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, get_args

from pydantic import Field

from pipeline.datasets.layouts.raf_db_facts import RAF_DB, TRAIN_COUNTS
from pipeline.datasets.layouts.raf_db_lists import RafList, find_list, noisy_codes
from pipeline.datasets.layouts.raf_lists import aligned_picture, require_order, split_of, stem_of
from pipeline.datasets.layouts.raf_originals import NO_BOX, original_boxes
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.boxes import pixel_box
from pipeline.datasets.reading.class_folders import class_rows, other_files
from pipeline.datasets.reading.listfile import read_table
from pipeline.datasets.reading.rows import CONFLICT, Row, assemble, merge_repeats, translate, val_as_test
from pipeline.datasets.roots.files import Lookup, Root, some
from pipeline.errors import DatasetError
from pipeline.tables.labels import CODE_MAPS
from pipeline.tables.sample import Sample

__all__ = ["RafDb", "RafDbOptions"]

_CODES = CODE_MAPS["raf-db"]


ImagesName = Literal["aligned", "aligned_224", "original"]


class RafDbOptions(LayoutOptions):
    images: ImagesName = Field(
        "aligned",
        description="pictures of a list: Image/aligned, Image/aligned_224, or Image/original cropped by the boxes of "
        "Annotation/boundingbox",
    )
    labels: str = Field(
        "",
        description="list of train labels in place of the official ones, such as noise01.txt; test labels stay clean",
    )


class RafDb:
    """Lists with folders of pictures, or folders `train/1..7` and `test/1..7`.

    Lists are `list_patition_label.txt` (LF or CRLF), `train.txt` and `test.txt`, or numbered lists (`images.txt`).

    The official list writes `train_00001.jpg 5` for the file `train_00001_aligned.jpg`; codes count from 1. Split
    folders may have any of their usual names; `train_labels.csv` and `test_labels.csv` beside them are compared with
    them. There is no official val split; it is carved out of train. The `valid/` that some copies have in place of
    `test/` is the test split if its files are named `test_*`, and is refused otherwise.

    The form of `Annotation/boundingbox/*.txt` and of the lists of copies is not known here. Boxes are read as
    left, top, right, bottom, codes as the official ones, and what cannot be these is refused.
    """

    name = "raf-db"
    summary = "EmoLabel/list_patition_label.txt and Image/aligned/*_aligned.jpg, or train/1..7 and test/1..7"
    Options = RafDbOptions
    facts = RAF_DB

    def scan(self, root: Root, options: RafDbOptions) -> Scan:
        if listed := find_list(root):
            rows = _list_rows(root, listed, options)
            return assemble(merge_repeats(rows, options.names), options, _release(listed, options))
        rows = class_rows(root, _CODES)
        if not rows:
            raise not_this_layout(root, self)
        if options.images != "aligned" or options.labels:
            raise DatasetError(
                f"{root.path}: expected a list such as EmoLabel/list_patition_label.txt for the options images and "
                "labels, found class folders. Leave these options out"
            )
        lists = {split: name for split in ("train", "test") if (name := root.find(f"{split}_labels.csv"))}
        rows = _official(rows, root)
        for split, name in lists.items():
            rows = _compared(rows, root, name, split)
        return assemble(rows, options, "class folders", unread_files=other_files(root, lists.values()))


def _release(listed: RafList, options: RafDbOptions) -> str:
    pictures = "" if options.images == "aligned" else f", {options.images} images"
    return f"{listed.release}{pictures}{f', train labels of {options.labels}' if options.labels else ''}"


def _list_rows(root: Root, listed: RafList, options: RafDbOptions) -> list[Row]:
    labels = translate(listed.codes, _CODES, listed.where)
    train = [label for label, split in zip(labels, listed.splits, strict=True) if split == "train"]
    require_order(train, TRAIN_COUNTS, listed.where)
    stems = [stem_of(image) for image in listed.images]
    paths = _paths(root, listed, stems, options)
    rows = [
        Row(Sample(stem, paths[stem], label, split))
        for stem, label, split in zip(stems, labels, listed.splits, strict=True)
    ]
    if options.images == "original":
        rows = _boxed(rows, original_boxes(root, f"{listed.base}Annotation/boundingbox/", paths))
    return _noisy(rows, root, options.labels) if options.labels else rows


def _paths(root: Root, listed: RafList, stems: Sequence[str], options: RafDbOptions) -> dict[str, str]:
    """Stem -> path of its picture, whether there is such a file or not."""
    if listed.paths:
        if options.images != "aligned":
            raise DatasetError(
                f"{listed.where}: expected images=aligned, as this list itself has the paths of its pictures, found "
                f"images={options.images}"
            )
        return dict(zip(stems, listed.paths, strict=True))
    folder, lookup = listed.folder(options.images), Lookup(root.names())
    if options.images == "original":
        paths = {stem: lookup(f"{folder}{stem}.jpg") for stem in stems}
    else:
        paths = {stem: aligned_picture(root, lookup, folder, stem) for stem in stems}
    if not any(map(root.exists, paths.values())) and (others := _other_pictures(root, listed, options.images)):
        raise DatasetError(
            f"{root.path}: expected the pictures of {listed.name} in {folder}, found none there, but some in "
            f"{', '.join(map(listed.folder, others))}. Choose them by the option images={others[0]}, or "
            f"unpack those of {folder}"
        )
    return paths


def _other_pictures(root: Root, listed: RafList, images: str) -> list[str]:
    others = [name for name in get_args(ImagesName) if name != images]
    return [name for name in others if any(path.startswith(listed.folder(name)) for path in root.names())]


def _boxed(rows: Sequence[Row], boxes: Mapping[str, tuple[float, ...]]) -> list[Row]:
    boxed = []
    for row in rows:
        box, reason = pixel_box(boxes[row.sample.id]) if row.sample.id in boxes else (None, NO_BOX)
        boxed.append(replace(row, sample=replace(row.sample, box=box, reason=reason)))
    return boxed


def _noisy(rows: Sequence[Row], root: Root, name: str) -> list[Row]:
    """The rows with the train labels of another list; those that it does not have are left out."""
    codes = noisy_codes(root, name, [row.sample.id for row in rows if row.sample.split == "train"])
    labels = dict(zip(codes, translate(list(codes.values()), _CODES, f"{root.path}: {name}"), strict=True))
    changed = []
    for row in rows:
        sample = row.sample
        if sample.split == "train" and sample.id not in labels:
            changed.append(replace(row, excluded=f"not in {name}"))
        else:
            label = labels[sample.id] if sample.split == "train" else sample.label
            changed.append(replace(row, sample=replace(sample, label=label)))
    return changed


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
    return split_of(row.sample.path.rpartition("/")[2])


def _compared(rows: list[Row], root: Root, name: str, split: str) -> list[Row]:
    """Class folders of a split compared with `train_labels.csv` or `test_labels.csv`.

    An image in the folder of another label is rejected, and one that is listed and in no folder is a row without file.
    """
    lines = read_table(root, name, ("image", "label")).lines
    labels = translate([line["label"] for line in lines], _CODES, f"{root.path}: {name}")
    listed = {line["image"].casefold(): label for line, label in zip(lines, labels, strict=True)}
    of_split = [row for row in rows if row.sample.split == split and not row.excluded]
    found = {row.sample.path.rpartition("/")[2].casefold() for row in of_split}
    if not of_split:
        raise DatasetError(f"{root.path}: expected the images of {name} in {split}/1 to {split}/7, found none there")
    folder, above = (text.rsplit("/", 2)[0] for text in (of_split[0].sample.path, of_split[0].sample.id))
    missing = [
        Row(
            Sample(
                f"{above}/{line['label']}/{line['image']}", f"{folder}/{line['label']}/{line['image']}", label, split
            )
        )
        for line, label in zip(lines, labels, strict=True)
        if line["image"].casefold() not in found
    ]
    return [_rejected_if_other(row, listed) if row.sample.split == split else row for row in rows] + missing


def _rejected_if_other(row: Row, listed: Mapping[str, str]) -> Row:
    label = listed.get(row.sample.path.rpartition("/")[2].casefold(), row.sample.label)
    return row if label == row.sample.label else replace(row, sample=replace(row.sample, reason=CONFLICT))
