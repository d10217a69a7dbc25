"""`muxspace`: news photos with one expression label each; people repeat, so they are split by person."""

from __future__ import annotations

import re

from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.listfile import read_table
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats, translate
from pipeline.datasets.roots.files import Lookup, Root
from pipeline.tables.sample import Sample

__all__ = ["Muxspace"]

_LEGEND = "data/legend.csv"
_PERSON = re.compile(r"(?P<person>.+)_\d+\.\w+")


class Muxspace:
    """`images/<Person_Name>_<number>.jpg` and `data/legend.csv` (`user.id,image,emotion`). No official split.

    The subject is the file's name before its last `_number`, with however many digits; a name without a number has
    no subject. `user.id` is the annotator and is not read; other columns that look like a split, a subject or a box
    are listed as unread.
    """

    name = "muxspace"
    summary = f"images/<Person_Name>_<number>.jpg and {_LEGEND}"
    Options = LayoutOptions

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
