"""`muxspace`: news photos with one expression label each; people repeat, so they are split by person."""

from __future__ import annotations

import re

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.listfile import read_table
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats, translate
from pipeline.datasets.roots.files import Lookup, Root
from pipeline.tables.sample import Sample

__all__ = ["Muxspace"]

_LEGEND = "data/legend.csv"
_PERSON = re.compile(r"(?P<person>.+)_\d+\.\w+")
_CLASSES = "neutral happiness anger disgust sadness surprise fear contempt"
_FACTS = DatasetFacts(
    title="muxspace facial_expressions",
    content="faces of people in the news (the pictures of LFW), with one expression label each",
    access="the public repository muxspace/facial_expressions",
    licence="The repository is under the Apache-2.0 licence; the photos are news photos of LFW.",
    reference="the repository muxspace/facial_expressions; there is no paper",
    label_codes="names, in upper and lower case: " + ", ".join(_CLASSES.split()),
    counts=(
        PublishedCounts(
            "whole repository",
            labels={"": class_counts(_CLASSES, 6868, 5696, 252, 208, 268, 368, 21, 9)},
            source="counted in its legend.csv",
        ),
        PublishedCounts(
            "a part of 12,762 images, reduced to 160 pixels",
            labels={"": class_counts(_CLASSES, 6717, 5309, 228, 13, 124, 356, 13, 9)},
            source="counted in its legend.csv, which has 12,769 rows; 7 repeat another one",
        ),
    ),
    traps=(
        "People repeat: without a split by person, a model is tested on faces that it was trained on.",
        "Upper and lower case vary in the labels, and a few rows repeat another one.",
        "user.id is the annotator, not the person in the picture.",
    ),
    biases=("Classes are very skewed: of the whole, half are neutral and 41.6 % happiness; 21 images are fear.",),
)


class Muxspace:
    """`images/<Person_Name>_<number>.jpg` and `data/legend.csv` (`user.id,image,emotion`). No official split.

    The subject is the file's name before its last `_number`, with however many digits; a name without a number has
    no subject. `user.id` is the annotator and is not read; other columns that look like a split, a subject or a box
    are listed as unread.
    """

    name = "muxspace"
    summary = f"images/<Person_Name>_<number>.jpg and {_LEGEND}"
    Options = LayoutOptions
    facts = _FACTS

    def scan(self, root: Root, options: LayoutOptions) -> Scan:
        legend = root.find(_LEGEND)
        if legend is None:
            raise not_this_layout(root, self)
        table = read_table(root, legend, ("image", "emotion"), ignored=("user.id",))
        lines = table.lines
        labels = translate([line["emotion"] for line in lines], None, f"{root.path}: {legend}")
        images, lookup = legend[: -len(_LEGEND)] + "images/", Lookup(root.names())
        rows = [
            Row(Sample(line["image"], lookup(images + line["image"]), label, "", subject=_person(line["image"])))
            for line, label in zip(lines, labels, strict=True)
        ]
        return assemble(merge_repeats(rows, options.names), options, unread_columns=table.lookalikes)


def _person(image: str) -> str | None:
    # Four pictures are named after the newspaper's file and show no known person.
    match = _PERSON.fullmatch(image)
    return match["person"] if match else None
