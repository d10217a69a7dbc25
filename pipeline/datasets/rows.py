"""From rows of a label file to samples: the rules that all layouts share, as pure functions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.datasets.base import LayoutOptions, Scan
from pipeline.errors import DatasetError, LabelError
from pipeline.labels import canonical, decode
from pipeline.samples import Sample, split_by_hash

__all__ = ["CONFLICT", "REPEATED", "SPLIT_WORDS", "Row", "assemble", "merge_repeats", "splits_of", "translate"]

CONFLICT = "conflicting rows"
REPEATED = "repeated row"
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_DIVISIBLE = frozenset({"", "train"})  # samples of these splits may become val or test
_NUMBER = re.compile(r"[+-]?\d+(\.0*)?(e\+?0+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One row of the source. With `excluded`, a reason, it is counted and becomes no sample.

    `sample.split` is empty where the dataset does not say it.
    """

    sample: Sample
    excluded: str = ""


def translate(labels: Sequence[str], codes: Mapping[int, str] | None, where: str) -> list[str]:
    """Canonical expressions of raw labels.

    Parameters
    ----------
    labels : names or, with `codes`, numbers as text (`3`, `3.0`, ` 3.0000000e+00`)
    codes : the dataset's own map; without one a number is refused
    where : the label file or folder, for the message

    Raises
    ------
    LabelError
        Once, for all unknown labels, each with its count and a suggestion.
    """
    known: dict[str, str] = {}
    problems = []
    for label, count in sorted(Counter(labels).items()):
        try:
            known[label] = _expression(label, codes, where)
        except LabelError as error:
            problems.append(f"{count} x {error}")
    if problems:
        raise LabelError(f"{where}: {len(problems)} unknown labels:\n  " + "\n  ".join(problems))
    return [known[label] for label in labels]


def _expression(label: str, codes: Mapping[int, str] | None, where: str) -> str:
    if codes is not None and _NUMBER.fullmatch(label.strip()):
        return decode(int(float(label)), codes, where)
    return canonical(label)


def assemble(rows: Sequence[Row], options: LayoutOptions, release: str = "") -> Scan:
    """The scan that `rows` make: classes outside the wanted ones are left out, missing splits carved out of train."""
    marked = [_without_class(row, options.names) for row in rows]
    present = {row.sample.split for row in rows}
    fractions = _fractions(options, present) if present & _DIVISIBLE else {}
    excluded = Counter(row.excluded for row in marked if row.excluded)
    samples = tuple(_carve((row.sample for row in marked if not row.excluded), fractions, options.split_seed))
    notes = tuple(
        f"{split}: the dataset has none; a share of {share:g} of train is taken, by a hash of the subject or id"
        for split, share in fractions.items()
        if split != "train"
    )
    return Scan(samples, release, dict(sorted(excluded.items())), notes)


def _without_class(row: Row, classes: tuple[str, ...]) -> Row:
    return row if row.excluded or row.sample.label in classes else replace(row, excluded=row.sample.label)


def _fractions(options: LayoutOptions, present: set[str]) -> dict[str, float]:
    wanted = {"val": options.val_fraction, "test": options.test_fraction}
    missing = {split: share for split, share in wanted.items() if share and split not in present}
    return {"train": 1 - sum(missing.values()), **missing}


def _carve(samples: Iterable[Sample], fractions: Mapping[str, float], seed: int) -> Iterator[Sample]:
    for sample in samples:
        # A person never straddles two splits; without names of persons every image stands alone.
        group = sample.subject or sample.id
        free = sample.split in _DIVISIBLE
        yield replace(sample, split=split_by_hash(group, fractions, seed)) if free else sample


def merge_repeats(rows: Iterable[Row], classes: tuple[str, ...]) -> list[Row]:
    """Rows with one row per sample id: equal rows count as repeated, contradicting ones make a rejected sample.

    Rows contradict each other when label, split, box or the reason to leave one out differ. Votes may differ.
    The sample of contradicting rows keeps the label of its first row that has one among `classes`.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.sample.id, []).append(_without_class(row, classes))
    return [row for group in groups.values() for row in _merged(group)]


def _merged(group: list[Row]) -> list[Row]:
    kept = [row for row in group if not row.excluded]
    if not kept or len(group) == 1:
        return group
    first = kept[0].sample
    if any(_claim(row) != _claim(kept[0]) for row in group):
        first = replace(first, reason=CONFLICT)
    repeats = [replace(row, excluded=REPEATED) for row in kept[1:]]
    return [Row(first), *repeats, *(row for row in group if row.excluded)]


def _claim(row: Row) -> tuple[object, ...]:
    return row.excluded, row.sample.label, row.sample.split, row.sample.box


def splits_of(words: Sequence[str], where: str) -> list[str]:
    """Splits of their spellings (`Training`, `valid`); an empty word stays empty.

    Raises
    ------
    DatasetError
        Naming all unknown spellings, or if only some rows have a split.
    """
    folded = [word.strip().casefold() for word in words]
    if strange := Counter(word for word in folded if word and word not in SPLIT_WORDS):
        found = ", ".join(f"{count} x {word!r}" for word, count in sorted(strange.items()))
        raise DatasetError(f"{where}: expected splits named {', '.join(SPLIT_WORDS)}, found {found}")
    if any(folded) and not all(folded):
        raise DatasetError(f"{where}: {folded.count('')} of {len(folded)} rows have no split. Fill in all, or none")
    return [SPLIT_WORDS.get(word, "") for word in folded]
