"""From rows of a label file to samples: the rules that all layouts share, as pure functions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from pipeline.datasets.reading.ambiguous import incomplete_map, is_number, refuse_numbers
from pipeline.datasets.reading.base import LayoutOptions, Scan
from pipeline.errors import DatasetError, LabelError
from pipeline.tables.labels import canonical, decode
from pipeline.tables.sample import Sample
from pipeline.tables.splits import DIVISIBLE

__all__ = [
    "CONFLICT",
    "REPEATED",
    "Row",
    "assemble",
    "merge_repeats",
    "spelled_once",
    "split_word",
    "splits_of",
    "translate",
    "val_as_test",
]

CONFLICT = "conflicting rows"
REPEATED = "repeated row"
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "trainset", "trainingset"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "valset", "validset", "validationset", "publictest"), "val"),
    **dict.fromkeys(("test", "testing", "testset", "testingset", "privatetest"), "test"),
}
_SPLIT_EXAMPLES = "train, training, val, valid, validation, test, testing, PublicTest (val), PrivateTest (test)"
_SEPARATORS = re.compile(r"[\s_\-]+")
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the source. With `excluded`, a reason, it is counted and becomes no sample.

    `sample.split` is empty where the dataset has none for the row.
    """

    sample: Sample
    excluded: str = ""


def translate(
    labels: Sequence[str], codes: Mapping[int, str] | None, where: str, paths: Sequence[str] | None = None
) -> list[str]:
    """Canonical expressions of raw labels.

    Parameters
    ----------
    labels : names or, with `codes`, numbers as text (`3`, `3.0`, ` 3.0000000e+00`)
    codes : the dataset's own map; without one a number is refused
    where : the label file or folder, for the message
    paths : of the images with these labels, from layouts that have the option `codes`: it is what numbers need

    Raises
    ------
    AmbiguousLabelsError
        If all labels are numbers, there are `paths` and no `codes`.
    LabelError
        Once, for all unknown labels; the most frequent ones with their counts and a suggestion.
    """
    if codes is None and paths is not None:
        refuse_numbers(labels, paths, where)
    known: dict[str, str] = {}
    problems = []
    for label, count in sorted(Counter(labels).items(), key=lambda item: (-item[1], item[0])):
        try:
            known[label] = _expression(label, codes, where)
        except LabelError as error:
            problems.append(f"{count} x {error}")
    if problems:
        more = [f"and {len(problems) - _SHOWN:,} more"] if len(problems) > _SHOWN else []
        more += filter(None, [incomplete_map(labels, codes)])
        raise LabelError(f"{where}: {len(problems)} unknown labels:\n  " + "\n  ".join(problems[:_SHOWN] + more))
    return [known[label] for label in labels]


def _expression(label: str, codes: Mapping[int, str] | None, where: str) -> str:
    if codes is not None and is_number(label):
        return decode(int(float(label)), codes, where)
    return canonical(label)


def assemble(
    rows: Sequence[Row],
    options: LayoutOptions,
    release: str = "",
    unread_columns: tuple[str, ...] = (),
    unread_files: Mapping[str, int] = MappingProxyType({}),
    notes: tuple[str, ...] = (),
) -> Scan:
    """The scan that `rows` make: classes outside the requested ones are left out.

    Splits that the dataset lacks and `options` request become `shares`: they are carved out of train once the
    bytes of the images are known.
    """
    filtered = [_without_class(row, options.names) for row in rows]
    present = {row.sample.split for row in rows}
    return Scan(
        samples=tuple(row.sample for row in filtered if not row.excluded),
        release=release,
        excluded=dict(sorted(Counter(row.excluded for row in filtered if row.excluded).items())),
        shares=_shares(options, present) if present & DIVISIBLE else {},
        unread_columns=unread_columns,
        unread_files=dict(unread_files),
        excluded_paths=frozenset(row.sample.path for row in filtered if row.excluded),
        repeated=_counts(row.sample for row in filtered if row.excluded == REPEATED),
        notes=notes,
    )


def _counts(samples: Iterable[Sample]) -> dict[str, dict[str, int]]:
    """Split -> label -> samples."""
    counts: dict[str, Counter[str]] = {}
    for sample in samples:
        counts.setdefault(sample.split, Counter())[sample.label] += 1
    return {split: dict(labels) for split, labels in counts.items()}


def _without_class(row: Row, classes: tuple[str, ...]) -> Row:
    return row if row.excluded or row.sample.label in classes else replace(row, excluded=row.sample.label)


def _shares(options: LayoutOptions, present: set[str]) -> dict[str, float]:
    requested = {"val": options.val_fraction, "test": options.test_fraction}
    missing = {split: share for split, share in requested.items() if share and split not in present}
    return {"train": 1 - sum(missing.values()), **missing}


def val_as_test(rows: list[Row]) -> list[Row]:
    """The rows with val as their test split, where they have no test split of their own."""
    if any(row.sample.split == "test" for row in rows):
        return rows
    return [replace(r, sample=replace(r.sample, split="test")) if r.sample.split == "val" else r for r in rows]


def spelled_once(paths: Sequence[str], files: Sequence[str]) -> list[str]:
    """The paths, each file under the first of its spellings: `A/X.JPG` and `a/x.jpg` are one where they mean one file.

    Parameters
    ----------
    paths : as a list writes them
    files : of the same rows, below the root; the path itself where there is none
    """
    first: dict[str, str] = {}
    return [first.setdefault(file, path) for path, file in zip(paths, files, strict=True)]


def merge_repeats(rows: Iterable[Row], classes: tuple[str, ...]) -> list[Row]:
    """Rows with one row per sample id: equal rows count as repeated, contradicting ones make a rejected sample.

    Rows contradict each other when label, split, subject, clip, frame, scene, fold, box or the reason to leave one out
    differ: a subject that is dropped would let its other images cross the splits. Votes and distribution may differ.
    The sample of contradicting rows keeps the label of its first row that has one among `classes`.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.sample.id, []).append(_without_class(row, classes))
    return [row for group in groups.values() for row in _merged(group)]


def _merged(group: list[Row]) -> list[Row]:
    included = [row for row in group if not row.excluded]
    if not included or len(group) == 1:
        return group
    first = included[0].sample
    if any(_content(row) != _content(included[0]) for row in group):
        first = replace(first, reason=CONFLICT)
    repeats = [replace(row, excluded=REPEATED) for row in included[1:]]
    return [Row(first), *repeats, *(row for row in group if row.excluded)]


def _content(row: Row) -> tuple[object, ...]:
    sample = row.sample
    group = sample.subject, sample.clip, sample.frame, sample.scene, sample.fold
    return row.excluded, sample.label, sample.split, *group, sample.box


def split_word(name: str) -> str:
    """The split that a folder or a field of this name means; empty if none. Case, spaces, `_` and `-` do not matter."""
    return _SPLIT_WORDS.get(_SEPARATORS.sub("", name.casefold()), "")


def splits_of(words: Sequence[str], where: str) -> list[str]:
    """Splits of their spellings (`Training`, `valid`, `PublicTest`); an empty word stays empty.

    Raises
    ------
    DatasetError
        Naming all unknown spellings, or if only some rows have a split.
    """
    counts = Counter(word.strip() for word in words)
    known = {word: split_word(word) for word in counts}
    if strange := sorted(word for word, split in known.items() if word and not split):
        unknown = ", ".join(f"{counts[word]} x {word!r}" for word in strange[:10]) + (
            ", ..." if len(strange) > 10 else ""
        )
        raise DatasetError(
            f"{where}: expected splits named {_SPLIT_EXAMPLES}, found {unknown}. "
            "Rename the values, or the column if it holds something else"
        )
    if counts[""] and len(counts) > 1:
        raise DatasetError(f"{where}: {counts['']} of {len(words)} rows have no split. Fill in all, or none")
    return [known[word.strip()] for word in words]
