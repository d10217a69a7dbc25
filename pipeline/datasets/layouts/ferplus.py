"""`ferplus`: the pictures of FER2013 with the ten votes of FER+ on each."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from pipeline.datasets.facts import DatasetFacts, PublishedCounts
from pipeline.datasets.layouts.ferplus_rules import COLUMNS, RuleName, TieName, label_of_votes
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.listfile import Line, read_table
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats
from pipeline.datasets.roots.files import Lookup, Root, some
from pipeline.errors import DatasetError
from pipeline.tables.sample import Sample

__all__ = ["Ferplus", "FerplusOptions"]

_TABLE = "fer2013new.csv"
_NO_NAME = "no image name"
# Usage -> split, folder of the pictures.
_USAGES = {
    "Training": ("train", "FER2013Train"),
    "PublicTest": ("val", "FER2013Valid"),
    "PrivateTest": ("test", "FER2013Test"),
}


class FerplusOptions(LayoutOptions):
    rule: RuleName = Field(
        "majority",
        description="votes to label: majority (official, published counts), probability, multi_target (official); "
        "argmax of all 10 columns, argmax-8 of the expressions alone, majority-10 of all votes",
    )
    ties: TieName = Field(
        "first",
        description="two labels with equally many votes: the first in the csv's column order, or exclude the row",
    )


_FACTS = DatasetFacts(
    title="FERPlus (FER+)",
    content="the 48 x 48 grey faces of FER2013, each labelled again by ten annotators",
    access="votes: the public repository of FER+; pictures: the FER2013 challenge on Kaggle",
    licence="Votes and code are under the MIT licence; the pictures of FER2013 have no formal licence.",
    reference="Barsoum et al., Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label "
    "Distribution, ICMI 2016",
    label_codes="ten columns of votes: " + ", ".join(COLUMNS),
    counts=(
        PublishedCounts(
            "fer2013new.csv, rule majority",
            totals={"train": 24_941, "val": 3_186, "test": 3_137},
            options={"rule": "majority", "classes": 7},
            source="counted in fer2013new.csv",
        ),
    ),
    traps=("173 rows of fer2013new.csv have no image name: they are not faces.",),
)


class Ferplus:
    """`FER2013Train|Valid|Test/fer0000000.png` and `fer2013new.csv`, joined by image name.

    Of the table `Usage` (the split), `Image name` and the ten votes are read. The `label.csv` next to the pictures is
    not read: a few of its rows name a wrong picture.
    """

    name = "ferplus"
    summary = f"{_TABLE} and FER2013Train/, FER2013Valid/, FER2013Test/ with fer0000000.png"
    Options = FerplusOptions
    facts = _FACTS

    def scan(self, root: Root, options: FerplusOptions) -> Scan:
        table = root.find(_TABLE)
        if table is None:
            raise not_this_layout(root, self)
        read = read_table(root, table, ("usage", "image name", *COLUMNS))
        lines = read.lines
        _check_usages(lines, f"{root.path}: {table}")
        lookup = Lookup(root.names(), parts=2)
        rows = [_row(line, lookup, options) for line in lines]
        return assemble(merge_repeats(rows, options.names), options, unread_columns=read.lookalikes)


def _check_usages(lines: Sequence[Line], where: str) -> None:
    if strange := sorted({line["usage"] for line in lines} - _USAGES.keys()):
        raise DatasetError(f"{where}: expected Usage to be one of {', '.join(_USAGES)}, found {some(strange)}")


def _row(line: Line, lookup: Lookup, options: FerplusOptions) -> Row:
    image, votes = line["image name"], tuple(line.whole(column) for column in COLUMNS)
    label, reason = label_of_votes(votes, options.rule, options.ties) if image else ("", _NO_NAME)
    split, folder = _USAGES[line["usage"]]
    sample = Sample(image.rpartition(".")[0], lookup(f"{folder}/{image}"), label, split, votes=votes)
    return Row(sample, excluded=reason)
