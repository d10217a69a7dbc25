"""`raf-ce`: faces with one of fourteen compound expressions."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.datasets.facts import DatasetFacts
from pipeline.datasets.layouts.raf_lists import aligned_picture, codes_by_stem, read_pairs, stem_of
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.class_folders import CodedOptions
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats, translate
from pipeline.datasets.roots.files import Lookup, Root, some
from pipeline.errors import DatasetError
from pipeline.tables.labels import CLASS_SETS, ClassSet
from pipeline.tables.sample import Sample

__all__ = ["RafCe", "RafCeOptions"]

_CLASSES = CLASS_SETS["raf-ce"]
_SPLITS = {"0": "train", "1": "test", "2": "val"}


class RafCeOptions(CodedOptions):
    class_sets: ClassVar[tuple[ClassSet, ...]] = ("raf-ce", "raf-compound")

    classes: ClassSet = Field(
        "raf-ce", description="the set's fourteen labels, or raf-compound: the eleven of RAF-DB, others are left out"
    )
    labels: str = Field("", description="list of images and label codes, as `0001.jpg 5`")
    partition: str = Field("", description="list of images and partition codes: 0 train, 1 test, 2 val")


_FACTS = DatasetFacts(
    title="RAF-CE",
    content="faces from the web with one of fourteen compound expressions",
    access="on request to the authors, by an agreement signed at a university or institute",
    licence="See the agreement that comes with the dataset.",
    reference="the compound-expression set of the RAF family, from the authors of RAF-DB",
    label_codes="codes 0 to 13, whose order the option `codes` states; partition 0 train, 1 test, 2 val",
    traps=(
        "Codes count from 0, those of RAF-DB's compound set from 1.",
        "Partition 1 is the test split and 2 the validation split.",
        "The order of the codes and the names of the files are not known here: the reader asks for both "
        "instead of a guess. It was tested on a tree that a test writes only.",
    ),
)


class RafCe:
    """A list of label codes 0 to 13, one of partition codes (0 train, 1 test, 2 val), and pictures.

    Only the range of the codes and the meaning of the partition are known here. The options `labels` and `partition`
    name the lists, `codes` the label of each code; pictures are found by name, also with `_aligned` at its end.
    """

    name = "raf-ce"
    summary = "two lists that the options labels and partition name, as 0001.jpg 5, and their pictures"
    Options = RafCeOptions
    facts = _FACTS

    def scan(self, root: Root, options: RafCeOptions) -> Scan:
        if not _lists(root):
            raise not_this_layout(root, self)
        codes = _fourteen_codes(root, options)
        labels_name = _list(root, "labels", options.labels)
        pairs = read_pairs(root, labels_name, example="0001.jpg 5", splits=False)
        partition_name = _list(root, "partition", options.partition)
        of_images = read_pairs(root, partition_name, example="0001.jpg 0", splits=False)
        if bad := [" ".join(pair) for pair in of_images if pair[1] not in _SPLITS]:
            raise DatasetError(
                f"{root.path}: {partition_name}: expected 0 (train), 1 (test) or 2 (val), found {len(bad)} others: "
                f"{some(bad)}"
            )
        parts = codes_by_stem(of_images, f"{root.path}: {partition_name}")
        labels = translate([code for _, code in pairs], codes, f"{root.path}: {labels_name}")
        lookup = Lookup(root.names(), parts=1)
        rows = [
            _row(root, lookup, stem_of(image), label, parts.get(stem_of(image), ""))
            for (image, _), label in zip(pairs, labels, strict=True)
        ]
        return assemble(merge_repeats(rows, options.names), options, "labels and partition")


def _fourteen_codes(root: Root, options: RafCeOptions) -> dict[int, str]:
    codes = options.code_map or {}
    if codes.keys() != set(range(len(_CLASSES))) or set(codes.values()) != set(_CLASSES):
        raise DatasetError(
            f"{root.path}: expected the option codes with the label of each code from 0 to 13, as the dataset's own "
            f"description has them: codes={{0: ..., 13: ...}} with the labels {', '.join(_CLASSES)}, each once; found "
            f"{codes or 'none'}"
        )
    return codes


def _list(root: Root, option: str, tail: str) -> str:
    name = root.find(tail) if tail else None
    if name is None:
        raise DatasetError(
            f"{root.path}: expected the option {option} with the name of a list of images and codes, found "
            f"{f'no file {tail}' if tail else 'none'}. Files of the root: {some(_lists(root))}"
        )
    return name


def _lists(root: Root) -> list[str]:
    return [name for name in root.names() if name.endswith(".txt")]


def _row(root: Root, lookup: Lookup, stem: str, label: str, part: str) -> Row:
    sample = Sample(stem, aligned_picture(root, lookup, "", stem), label, _SPLITS.get(part, ""))
    return Row(sample, "" if part else "no partition")
