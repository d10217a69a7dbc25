"""Copies of the field's datasets on the Hugging Face hub that are known by their counts and label names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.datasets.facts import PublishedCounts
from pipeline.tables.labels import CODE_MAPS

__all__ = ["COPIES", "Copy", "copies_like"]

_ALPHABETICAL = tuple(CODE_MAPS["alphabetical-7"].values())
_CSV_ORDER = tuple(CODE_MAPS["fer2013"].values())


@dataclass(frozen=True)
class Copy:
    """One upload.

    Parameters
    ----------
    counts : its rows per split; in the split `""`, of all splits together
    order : expressions of its integers, from 0; empty if it has none, or they are no property to know it by
    note : what to know before it is used
    """

    counts: PublishedCounts
    order: tuple[str, ...]
    note: str


def _copy(name: str, totals: Mapping[str, int], order: tuple[str, ...], note: str) -> Copy:
    return Copy(PublishedCounts(name, totals=totals, source="the copy's own files"), order, note)


COPIES = (
    _copy(
        "AutumnQiu/fer2013",
        {"train": 28_709, "val": 3_589, "test": 3_589},
        _CSV_ORDER,
        "FER2013 with its official splits",
    ),
    _copy(
        "clip-benchmark/wds_fer2013",
        {"train": 28_709, "test": 7_178},
        (),
        "PublicTest and PrivateTest are merged into test",
    ),
    _copy(
        "Piro17/fer2013test",
        {"train": 7_178},
        _CSV_ORDER,
        "its only split is named train and is the test set of FER2013, PublicTest and PrivateTest merged: "
        "read it with the option splits={train: test}",
    ),
    _copy(
        "deanngkl/ferplus-7cls",
        {"train": 35_481},
        _ALPHABETICAL,
        "Training, PublicTest and PrivateTest of FERPlus are one split: the splits carved out of it are not the "
        "official ones",
    ),
    _copy(
        "deanngkl/raf-db-7emotions",
        {"train": 20_471},
        _ALPHABETICAL,
        "RAF-DB has 15,339 images: this is not the set that it is named after",
    ),
    _copy(
        "Mat303/raf-db-tcc",
        {"train": 15_339},
        (),
        "its labels are the codes of RAF-DB, from 1 (codes=raf-db), and the official split is gone",
    ),
    _copy(
        "Piro17/affectnethq or deanngkl/affectnet_no_contempt",
        {"train": 27_823},
        _ALPHABETICAL,
        "labels are in alphabetical order, not in AffectNet's own, and there is no val split",
    ),
    _copy(
        "Mauregato/affectnet_short",
        {"": 29_042},
        ("anger", "surprise", "contempt", "happiness", "neutral", "fear", "sadness", "disgust"),
        "its integers are in an order of its own: anger, surprise, contempt, happy, neutral, fear, sad, disgust",
    ),
    _copy(
        "AlirezaF138/ckplus-dataset",
        {"train": 981},
        (),
        "the last three frames of each sequence of CK+, with no subjects: a random split has a person on both sides",
    ),
)


def copies_like(rows: Mapping[str, int], order: tuple[str, ...]) -> tuple[Copy, ...]:
    """The known copies with these rows per split and, where both are known, this order of expressions."""
    total = {"": sum(rows.values())}
    return tuple(
        copy
        for copy in COPIES
        if copy.counts.totals in (rows, total) and (not order or not copy.order or copy.order == order)
    )
