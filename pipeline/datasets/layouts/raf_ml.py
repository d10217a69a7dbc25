"""`raf-ml`: faces with several expressions at once, of which each has a share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.datasets.facts import DatasetFacts
from pipeline.datasets.layouts.raf_lists import (
    aligned_picture,
    codes_by_stem,
    read_pairs,
    split_of,
    stem_of,
    words_of_lines,
)
from pipeline.datasets.reading.base import LayoutOptions, Scan, not_this_layout
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats
from pipeline.datasets.roots.files import Lookup, Root, some
from pipeline.errors import DatasetError, LabelError
from pipeline.tables.labels import canonical
from pipeline.tables.sample import Sample

__all__ = ["RafMl", "RafMlOptions"]

_SHARES, _PARTITION = "EmoLabel/distribution.txt", "EmoLabel/partition_label.txt"
_FAR_FROM_ONE = 0.05  # of a sum of shares, which are rounded in the file
_SEVERAL = "several largest shares"
_NO_LABEL = "no class of the table has a share"


def _labels(columns: str) -> str:
    try:
        names = [canonical(name) for name in columns.replace(",", " ").split()]
    except LabelError as error:
        raise ValueError(str(error)) from error
    if len(set(names)) < len(names):
        raise ValueError(f"expected every expression once, found {', '.join(names)}")
    return ",".join(names)


class RafMlOptions(LayoutOptions):
    columns: Annotated[str, AfterValidator(_labels)] = Field(
        "",
        description="the expressions of the columns of distribution.txt, in its order, separated by commas: see the "
        "dataset's own description",
    )
    partition: dict[int, Literal["train", "val", "test"]] | None = Field(
        None,
        description="what the codes of partition_label.txt mean, as {0: train, 1: test}; needed unless images are "
        "named train_* and test_*",
    )
    ties: Literal["first", "exclude"] = Field(
        "first",
        description="two expressions with equally large shares: the first column's is the label, or exclude the row",
    )


_FACTS = DatasetFacts(
    title="RAF-ML",
    content="faces from the web with a distribution over expressions, from the votes of many annotators",
    access="on request to the authors, by an agreement signed at a university or institute",
    licence="See the agreement that comes with the dataset.",
    reference="Li and Deng, Blended Emotion in-the-Wild: Multi-label Facial Expression Recognition Using Crowdsourced "
    "Annotations and Deep Locality Feature Learning, IJCV 2019",
    label_codes="shares of expressions in the columns of distribution.txt, whose order the option `columns` states",
    traps=(
        "The order of the columns of distribution.txt, and what the codes of partition_label.txt mean, are not "
        "known here: the reader asks for both instead of a guess. It was tested on a tree that a test writes "
        "only.",
        "The hard label of this reader is the expression with the largest share; the dataset itself has several.",
    ),
)


class RafMl:
    """`EmoLabel/distribution.txt` (an image and its shares a line), `EmoLabel/partition_label.txt`, `Image/aligned/`.

    The files are known by their names; the order of the columns is not known here, so that the option
    `columns` is needed, nor are the partition's codes: the names of images (`train_*`, `test_*`) or the option
    `partition` state the splits. The shares become the table's `distribution`, the largest one its label. Shares of
    expressions that are no class of the table are left out, and the others scaled to sum to 1.
    """

    name = "raf-ml"
    summary = f"{_SHARES}, {_PARTITION} and Image/aligned/*_aligned.jpg"
    Options = RafMlOptions

    facts = _FACTS

    def scan(self, root: Root, options: RafMlOptions) -> Scan:
        name, partition = root.find(_SHARES), root.find(_PARTITION)
        if name is None or partition is None:
            raise not_this_layout(root, self)
        shares = _read_shares(root, name, options.columns)
        codes = codes_by_stem(read_pairs(root, partition, splits=False), f"{root.path}: {partition}")
        splits = _splits(codes, options.partition, f"{root.path}: {partition}")
        folder, lookup = f"{name[: -len(_SHARES)]}Image/aligned/", Lookup(root.names())
        rows = [
            _row(stem, aligned_picture(root, lookup, folder, stem), of_image, splits, options)
            for stem, of_image in shares
        ]
        listed = {stem for stem, _ in shares}
        rows += [Row(Sample(stem, "", "", ""), "no distribution") for stem in codes if stem not in listed]
        return assemble(merge_repeats(rows, options.names), options, "distributions")


def _read_shares(root: Root, name: str, columns: str) -> list[tuple[str, dict[str, float]]]:
    """Stem, and expression -> share, of each line."""
    lines = words_of_lines(root, name)
    where, names = f"{root.path}: {name}", columns.split(",") if columns else []
    width = len(lines[0]) - 1 if lines else 0
    if not names or width != len(names):
        example = "surprise,fear,disgust,happiness,sadness,anger"
        raise DatasetError(
            f"{where}: expected the option columns with the expressions of its {width} columns of shares in their "
            f"order, such as columns={example}, found {columns or 'none'}. They are in the dataset's own description"
        )
    read, bad = [], []
    for line in lines:
        values = _numbers(line[1:])
        if len(line) != width + 1 or values is None or abs(sum(values) - 1) > _FAR_FROM_ONE:
            bad.append(" ".join(line))
        else:
            read.append((stem_of(line[0]), dict(zip(names, values, strict=True))))
    if bad:
        raise DatasetError(
            f"{where}: expected lines of an image and {width} shares of 0 or more that sum to 1, found {len(bad)} "
            f"others: {some(bad)}"
        )
    return read


def _numbers(texts: Sequence[str]) -> list[float] | None:
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return None
    return numbers if all(0 <= number <= 1 for number in numbers) else None


def _splits(codes: Mapping[str, str], meanings: Mapping[int, str] | None, where: str) -> dict[str, str]:
    """Stem -> split, by the meanings of the codes, else by the names of the images."""
    if meanings is not None:
        known = {str(code): split for code, split in meanings.items()}
        if strange := sorted(set(codes.values()) - known.keys()):
            raise DatasetError(
                f"{where}: expected the codes of the option partition ({', '.join(known)}), found also {some(strange)}"
            )
        _refuse_opposite({stem: known[code] for stem, code in codes.items()}, where)
        return {stem: known[code] for stem, code in codes.items()}
    named = {stem: split_of(f"{stem}.jpg") for stem in codes}
    pairs = {(codes[stem], split) for stem, split in named.items()}
    if None in named.values() or len(pairs) > len({code for code, _ in pairs}):
        raise DatasetError(
            f"{where}: expected images named train_* and test_* with one code for each, or the option partition with "
            f"what the codes {', '.join(sorted(set(codes.values())))} mean, such as partition={{0: train, 1: test}}"
        )
    return {stem: split for stem, split in named.items() if split}


def _refuse_opposite(splits: Mapping[str, str], where: str) -> None:
    """Codes that mean the contrary of what the names of all images state: train and test would change places."""
    named = {stem: split for stem in splits if (split := split_of(f"{stem}.jpg"))}
    if named and all((split == "test") != (splits[stem] == "test") for stem, split in named.items()):
        raise DatasetError(
            f"{where}: expected the option partition to agree with the names of images (train_*, test_*), found all "
            f"{len(named):,} of them in another split: {some(list(named))}. Exchange the meanings of the codes, or "
            "leave the option out"
        )


def _row(stem: str, path: str, shares: Mapping[str, float], splits: Mapping[str, str], options: RafMlOptions) -> Row:
    sample = Sample(stem, path, "", splits.get(stem, ""))
    if stem not in splits:
        return Row(sample, "no partition")
    largest = [name for name, share in shares.items() if share == max(shares.values())]
    if len(largest) > 1 and options.ties == "exclude":
        return Row(sample, _SEVERAL)
    values = [shares.get(name, 0.0) for name in options.names]
    if not (total := sum(values)):
        return Row(sample, _NO_LABEL)
    distribution = tuple(value / total for value in values)
    return Row(Sample(stem, path, largest[0], splits[stem], distribution=distribution))
