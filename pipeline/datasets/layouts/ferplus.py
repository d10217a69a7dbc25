"""`ferplus`: the pictures of FER2013 with the ten votes of FER+ on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts
from pipeline.datasets.layouts.fer2013 import FER2013_CSV, pixel_lines
from pipeline.datasets.layouts.ferplus_rules import COLUMNS, RuleName, TieName, distribution_of, label_of_votes
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.listfile import Line, read_table
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats
from pipeline.datasets.roots.containers import member_name, row_text
from pipeline.datasets.roots.files import Lookup, Root, some
from pipeline.errors import DatasetError
from pipeline.images.formats import is_image
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
        description="votes to label: majority (official, published counts), probability, multi_target (official); "
        "argmax of all 10 columns, argmax-8 of the expressions alone, majority-10 of all votes",
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
    "argmax-8": (
        (3588, 656, 194, 7539, 3549, 2478, 10390, 167),
        (459, 75, 36, 899, 418, 320, 1347, 25),
        (446, 94, 23, 929, 448, 326, 1279, 29),
    ),
    "majority-10": (
        (2742, 340, 46, 7083, 2384, 1643, 7495, 78),
        (378, 40, 13, 847, 279, 234, 1063, 8),
        (341, 50, 7, 872, 295, 219, 936, 9),
    ),
    "multi_target": (
        (3486, 598, 153, 7492, 3399, 2327, 10071, 145),
        (446, 71, 30, 893, 400, 307, 1307, 18),
        (438, 90, 21, 921, 434, 302, 1243, 23),
    ),
}


def _published(rule: str) -> PublishedCounts:
    labels = dict(
        zip(SPLITS, (class_counts(" ".join(EXPRESSIONS), *numbers) for numbers in _COUNTS[rule]), strict=True)
    )
    # More than half of the votes cannot be a tie.
    options = {"rule": rule} if rule.startswith("majority") else {"rule": rule, "ties": "first"}
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
        "Join pictures by image name, never by row: three names of Training are on two equal rows each, and "
        "fer0033120.png is on two rows that contradict each other. Publications count these rows; by rule majority and "
        "without contempt, a table has 24,938 / 3,186 / 3,136 usable images of their 24,941 / 3,186 / 3,137. Rows of "
        "fer2013.csv have no names and are joined by row: a table of them has every row.",
        "Papers quote 3,589 test images, the whole of PrivateTest; with rule majority and without contempt there are "
        "3,137, 18 of them disgust.",
        "Rule argmax-8 is that of the CLIP paper, 28,561, 3,579 and 3,574 rows of 8 classes; three rows without a vote "
        "for any expression are neutral by it.",
        "The test list of FERBench has 3,573 rows: neutral 1,274, happiness 929, surprise 450, sadness 449, anger 322, "
        "fear 21, disgust 98, contempt 30. These are no counts of any rule here.",
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

    Where those folders are absent, `fer2013.csv` of the challenge is read in place, joined by row: rows of both are
    in the same order, which is checked by `Usage`. Then every row has a picture of its own, and a name that is on
    several rows has the row's number in its id.

    Of the table `Usage` (the split), `Image name` and the ten votes are read. The rules `probability` and
    `multi_target` also give the distribution over the table's classes (soft labels). The `label.csv` next to the
    pictures is not read: a few of its rows name a wrong picture.
    """

    name = "ferplus"
    summary = f"{_TABLE} and FER2013Train/, FER2013Valid/, FER2013Test/ with fer0000000.png, or {FER2013_CSV}"
    Options = FerplusOptions
    facts = _FACTS

    def scan(self, root: Root, options: FerplusOptions) -> Scan:
        table = root.find(_TABLE)
        if table is None:
            raise not_this_layout(root, self)
        read = read_table(root, table, ("usage", "image name", *COLUMNS))
        _check_usages(read.lines, f"{root.path}: {table}")
        pixels = root.find(FER2013_CSV)
        if pixels and not _has_pictures(root):
            rows = _rows_of_pixels(root, pixels, read.lines, options)
            return assemble(rows, options, f"{_TABLE} and {FER2013_CSV}", unread_columns=read.lookalikes)
        lookup = Lookup(root.names(), parts=2)
        rows = [_row(line, lookup(_picture(line)), options) for line in read.lines]
        return assemble(merge_repeats(rows, options.names), options, unread_columns=read.lookalikes)


def _check_usages(lines: Sequence[Line], where: str) -> None:
    if strange := sorted({line["usage"] for line in lines} - _USAGES.keys()):
        raise DatasetError(f"{where}: expected Usage to be one of {', '.join(_USAGES)}, found {some(strange)}")


def _has_pictures(root: Root) -> bool:
    folders = {folder for _, folder in _USAGES.values()}
    return any(not folders.isdisjoint(name.split("/")[:-1]) and is_image(name) for name in root.names())


def _rows_of_pixels(root: Root, pixels: str, lines: Sequence[Line], options: FerplusOptions) -> list[Row]:
    """Rows whose pictures are those of fer2013.csv, joined by row: its rows have no names.

    A name that several rows have, each with a picture of its own, is followed by the row's number in their ids.
    """
    _check_same_rows(root, pixels, lines)
    names = Counter(line["image name"] for line in lines)
    rows = []
    for i, line in enumerate(lines):
        row = _row(line, member_name(pixels, row_text(i)), options)
        repeated = names[line["image name"]] > 1
        rows.append(replace(row, sample=replace(row.sample, id=f"{row.sample.id}-{i}")) if repeated else row)
    return rows


def _check_same_rows(root: Root, pixels: str, lines: Sequence[Line]) -> None:
    usages = [line["usage"] for line in pixel_lines(root, pixels, ("usage",))]
    expected = [line["usage"] for line in lines]
    if usages == expected:
        return
    at = next((i for i, pair in enumerate(zip(usages, expected, strict=False)) if len(set(pair)) > 1), None)
    detail = f"{len(usages):,} and {len(expected):,} rows" if at is None else f"row {at}: {usages[at]}, {expected[at]}"
    raise DatasetError(
        f"{root.path}: expected the same rows in {pixels} and {_TABLE}, which are joined by row, found another Usage "
        f"or number of rows ({detail}). Use {FER2013_CSV} of the challenge as it is, not a copy in another order"
    )


def _picture(line: Line) -> str:
    _, folder = _USAGES[line["usage"]]
    return f"{folder}/{line['image name']}"


def _row(line: Line, path: str, options: FerplusOptions) -> Row:
    image, votes = line["image name"], tuple(line.whole(column) for column in COLUMNS)
    label, reason = label_of_votes(votes, options.rule, options.ties) if image else ("", _NO_NAME)
    split, _ = _USAGES[line["usage"]]
    shares = distribution_of(votes, options.rule, options.names)
    sample = Sample(image.rpartition(".")[0], path, label, split, votes=votes, distribution=shares)
    return Row(sample, excluded=reason)
