"""`ferplus`: the pictures of FER2013 with the ten votes of FER+ on each."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts
from pipeline.datasets.layouts.ferplus_rules import COLUMNS, RuleName, TieName, label_of_votes
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.listfile import Line, read_table
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats
from pipeline.datasets.roots.files import Lookup, Root, some
from pipeline.errors import DatasetError
from pipeline.tables.labels import EXPRESSIONS
from pipeline.tables.sample import SPLITS, Sample

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
        description="votes to label: majority (official, published counts), probability (official), argmax of 10",
    )
    ties: TieName = Field(
        "first",
        description="two labels with equally many votes: the first in the csv's column order, or exclude the row",
    )


# Rule -> Training, PublicTest, PrivateTest, each in the order of the expressions.
_COUNTS: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    "majority": (
        (3149, 532, 119, 7287, 3014, 2100, 8740, 119),
        (415, 62, 24, 865, 351, 287, 1182, 13),
        (396, 83, 18, 893, 384, 273, 1090, 16),
    ),
    "probability": (
        (3524, 641, 169, 7503, 3430, 2407, 10122, 160),
        (450, 72, 31, 897, 401, 314, 1317, 23),
        (435, 92, 22, 925, 435, 320, 1251, 25),
    ),
    "argmax": (
        (3562, 652, 191, 7528, 3515, 2467, 10309, 165),
        (456, 74, 34, 899, 412, 319, 1335, 24),
        (444, 93, 23, 928, 444, 325, 1262, 27),
    ),
}


def _published(rule: str) -> PublishedCounts:
    labels = dict(
        zip(SPLITS, (class_counts(" ".join(EXPRESSIONS), *numbers) for numbers in _COUNTS[rule]), strict=True)
    )
    # More than half of the votes cannot be a tie.
    options = {"rule": rule} if rule == "majority" else {"rule": rule, "ties": "first"}
    return PublishedCounts(
        f"fer2013new.csv by rule {rule}", labels, options=options, source="counted in fer2013new.csv"
    )


_FACTS = DatasetFacts(
    title="FERPlus (FER+)",
    content="the 48 x 48 grey faces of FER2013, each labelled again by ten annotators",
    access="votes: the public repository of FER+; pictures: the FER2013 challenge on Kaggle",
    licence="Votes and code are under the MIT licence; the pictures of FER2013 have no formal licence.",
    reference="Barsoum et al., Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label "
    "Distribution, ICMI 2016",
    label_codes="ten columns of votes: " + ", ".join(COLUMNS),
    counts=(*map(_published, _COUNTS),),
    traps=(
        "173 rows of fer2013new.csv have no image name: they are not faces.",
        "Join by image name, never by row: three names of Training are on two equal rows each, and fer0033120.png "
        "is on two rows that contradict each other. Publications count these rows; by rule majority and without "
        "contempt, a table has 24,938 / 3,186 / 3,136 usable images of their 24,941 / 3,186 / 3,137.",
        "Papers quote 3,589 test images, the whole of PrivateTest; with rule majority and without contempt there are "
        "3,137, 18 of them disgust.",
        "Equal pictures are in several splits. MMA holds FER2013 as well: it is no unseen domain.",
        "A few rows of the label.csv beside the pictures name a wrong picture.",
    ),
    biases=(
        "Ties of argmax go to the first column, which is neutral: it has more rows than by another rule for ties.",
        "Classes are skewed: of train by rule majority, 35.0 % are neutral and 0.5 % disgust.",
    ),
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
