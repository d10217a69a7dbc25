"""`raf-db-compound`: the compound set of RAF-DB, whose labels are two expressions at once."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.datasets.facts import DatasetFacts, PublishedCounts
from pipeline.datasets.layouts.raf_lists import LIST, aligned_picture, read_pairs, split_of, stem_of
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats, translate
from pipeline.datasets.roots.files import Lookup, Root
from pipeline.errors import DatasetError
from pipeline.tables.labels import CODE_MAPS, COMPOUND_CODE_MAPS, ClassSet
from pipeline.tables.sample import Sample

__all__ = ["RafCompound", "RafCompoundOptions"]

_CODES = COMPOUND_CODE_MAPS["raf-compound"]
_BASIC_CODES = CODE_MAPS["raf-db"].keys()
_BASIC_DIGITS = 5  # of the numbers of the basic set's train images


class RafCompoundOptions(LayoutOptions):
    class_sets: ClassVar[tuple[ClassSet, ...]] = ("raf-compound", "raf-ce")

    classes: ClassSet = Field(
        "raf-compound", description="the set's eleven labels, or raf-ce: the fourteen of RAF-CE, which has these too"
    )


_FACTS = DatasetFacts(
    title="RAF-DB (compound)",
    content="3,954 faces from the web with one of eleven compound expressions",
    access="with RAF-DB, on request to the authors, by an agreement signed at a university or institute",
    licence="See the agreement that comes with the dataset.",
    reference="Li et al., Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in "
    "the Wild, CVPR 2017",
    label_codes=", ".join(f"{code} {label}" for code, label in _CODES.items()) + ": they count from 1",
    counts=(
        PublishedCounts(
            "compound set", totals={"train": 3_162, "test": 792}, source="lines of list_patition_label.txt"
        ),
    ),
    traps=(
        "The list has the same name as that of the basic set, and codes 1 to 7 mean something else in each.",
        "Codes count from 1.",
        "There is no official validation split.",
    ),
    biases=("Classes are imbalanced.",),
)


class RafCompound:
    """`compound/EmoLabel/list_patition_label.txt` (`train_0001.jpg 11`) and `Image/aligned/train_0001_aligned.jpg`.

    Codes count from 1. The split is the beginning of the name; val is carved out of train. A root that holds `basic/`
    beside `compound/` is read below `compound/`.
    """

    name = "raf-db-compound"
    summary = "compound/EmoLabel/list_patition_label.txt and compound/Image/aligned/*_aligned.jpg"
    Options = RafCompoundOptions
    facts = _FACTS

    def scan(self, root: Root, options: RafCompoundOptions) -> Scan:
        name = root.find(f"compound/{LIST}") or root.find(LIST)
        if name is None:
            raise not_this_layout(root, self)
        pairs = read_pairs(root, name, example="train_0001.jpg 11")
        _refuse_basic(root, name, pairs)
        labels = translate([code for _, code in pairs], _CODES, f"{root.path}: {name}")
        folder, lookup = f"{name[: -len(LIST)]}Image/aligned/", Lookup(root.names())
        rows = [
            Row(_sample(image, label, aligned_picture(root, lookup, folder, stem_of(image))))
            for (image, _), label in zip(pairs, labels, strict=True)
        ]
        return assemble(merge_repeats(rows, options.names), options, "compound")


def _sample(image: str, label: str, path: str) -> Sample:
    return Sample(stem_of(image), path, label, split_of(image) or "")


def _refuse_basic(root: Root, name: str, pairs: list[list[str]]) -> None:
    """The basic set has a list of the same name and form, of which every code has another meaning here."""
    only_basic_codes = {code for _, code in pairs} <= {str(code) for code in _BASIC_CODES}
    numbers = [stem_of(image).partition("_")[2] for image, _ in pairs if split_of(image) == "train"]
    if "basic" in name.casefold().split("/") or (
        only_basic_codes and any(len(number) == _BASIC_DIGITS for number in numbers)
    ):
        raise DatasetError(
            f"{root.path}: expected the compound set of RAF-DB (train_0001.jpg, codes 1 to 11), found the basic one "
            f"({name}, codes 1 to 7). Point the root at compound/, or read the basic set by the layout raf-db"
        )
