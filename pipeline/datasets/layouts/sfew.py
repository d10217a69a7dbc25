"""`sfew`: SFEW 2.0, pictures of films in class folders, or as a table names them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from pipeline.datasets.layouts.sfew_facts import FACTS
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.class_folders import CodedOptions
from pipeline.datasets.reading.halves import refuse_without_test
from pipeline.datasets.reading.listfile import Line, read_table
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats, splits_of, translate, val_as_test
from pipeline.datasets.reading.split_folders import first_split, split_above
from pipeline.datasets.roots.files import Lookup, Root, composed, some
from pipeline.errors import DatasetError
from pipeline.images.formats import is_image
from pipeline.tables.sample import Sample

__all__ = ["Sfew"]

_TABLE = "sfew_2.0_labels.csv"
_IMAGES = "sfew2.0_images"
_NO_LABEL = "no label"
_OUTSIDE = "outside the split folders"
_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz")


class Sfew:
    """`Train/…/<Expression>/*.png` and `Val/…/<Expression>/*.png`, or `sfew_2.0_labels.csv` and `sfew2.0_images/`.

    The expression is the folder that a picture is in. Its split is that of the folders above it whose names begin with
    Train, Val or Test, at whatever depth: `Train/Train_Aligned_Faces`, `Val/Val_Aligned_Faces_new/Val_Aligned_Faces`,
    `Val_Aligned_Faces_new` alone, `Train/imgs`. Of the table `image_name`, `emotion` and `original_split` are read.

    Labels of the test pictures are not public: they are counted as excluded. Val is what the field tests on, so it is
    the test split here, and val is carved out of train. A split whose archive is not unpacked is an error.
    """

    name = "sfew"
    summary = f"Train/ and Val/ with a folder for each expression, at any depth, or {_TABLE} and {_IMAGES}/"
    Options = CodedOptions
    facts = FACTS

    def scan(self, root: Root, options: CodedOptions) -> Scan:
        if name := root.find(_TABLE):
            rows, release = merge_repeats(_table_rows(root, name, options), options.names), _TABLE
        else:
            rows, release = _folder_rows(root, options), _release(root)
        if not any(row.sample.label for row in rows):
            raise _nothing_unpacked(root) or not_this_layout(root, self)
        _refuse_packed(root, rows)
        rows = val_as_test(rows)
        refuse_without_test(root, rows, options, "Val/")
        return assemble(rows, options, release)


def _folder_rows(root: Root, options: CodedOptions) -> list[Row]:
    paths = [name for name in root.names() if is_image(name)]
    splits = {path: split_above(root, path) for path in paths}
    in_class = [path for path in paths if splits[path] and not first_split(_parent(path))]
    _refuse_two_folders(root, {path: splits[path] for path in in_class})
    labels = translate([_parent(path) for path in in_class], options.code_map, str(root.path), in_class)
    by_path = dict(zip(in_class, labels, strict=True))
    return [_folder_row(path, by_path.get(path, ""), splits[path]) for path in paths]


def _folder_row(path: str, label: str, split: str) -> Row:
    if label:
        return Row(Sample(composed(f"{split}/{_parent(path)}/{PurePosixPath(path).name}"), path, label, split))
    return Row(Sample("", path, "", ""), excluded=_NO_LABEL if split == "test" else _OUTSIDE)


def _parent(path: str) -> str:
    return PurePosixPath(path).parent.name


def _refuse_two_folders(root: Root, splits: Mapping[str, str]) -> None:
    """Whole frames and aligned faces of the same pictures would both be samples."""
    folders: dict[str, set[str]] = defaultdict(set)
    for path, split in splits.items():
        folders[split].add(str(PurePosixPath(path).parent.parent))
    for split, two in folders.items():
        if len(two) > 1:
            raise DatasetError(
                f"{root.path}: expected one folder of {split} pictures, found {some(sorted(two))}: two releases, or "
                "two copies. Move all but one of them out of the root"
            )


def _release(root: Root) -> str:
    aligned = any("aligned" in name.casefold() and is_image(name) for name in root.names())
    return "aligned faces" if aligned else "class folders"


def _table_rows(root: Root, name: str, options: CodedOptions) -> list[Row]:
    where = f"{root.path}: {name}"
    lines = read_table(root, name, ("image_name", "emotion", "original_split"), ignored=("label",)).lines
    texts, images = [line["emotion"] for line in lines], [_image(line) for line in lines]
    lookup = Lookup(root.names(), parts=2)
    paths = [lookup(f"{_IMAGES}/{image}") for image in images]
    labelled = [path for path, text in zip(paths, texts, strict=True) if text]
    labels = iter(translate([text for text in texts if text], options.code_map, where, labelled))
    splits = splits_of([line["original_split"] for line in lines], f"{where}: column original_split")
    return [
        _table_row(image, path, next(labels) if text else "", split)
        for image, path, text, split in zip(images, paths, texts, splits, strict=True)
    ]


def _image(line: Line) -> str:
    return PurePosixPath(line["image_name"].replace("\\", "/")).name


def _table_row(image: str, path: str, label: str, split: str) -> Row:
    sample = Sample(image, path, label, split if label else "")
    return Row(sample, excluded="" if label else _NO_LABEL)


def _archives(root: Root) -> dict[str, str]:
    """Archives below the root -> the splits that they are of."""
    files = [name for name in root.names() if name.casefold().endswith(_ARCHIVES)]
    return {name: word for name in files if (word := first_split(PurePosixPath(name).name))}


def _nothing_unpacked(root: Root) -> DatasetError | None:
    if archives := _archives(root):
        return DatasetError(
            f"{root.path}: expected pictures of SFEW 2.0, found its archives alone: {some(list(archives))}. Unpack "
            "each of them where it is"
        )
    return None


def _refuse_packed(root: Root, rows: Sequence[Row]) -> None:
    unpacked = {row.sample.split for row in rows} | {"test"}
    if packed := [name for name, split in _archives(root).items() if split not in unpacked]:
        raise DatasetError(
            f"{root.path}: expected train and val pictures, found some of them still packed: {some(packed)}. Unpack it "
            "where it is"
        )
