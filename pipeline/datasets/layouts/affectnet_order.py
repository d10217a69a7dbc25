"""Numbered class folders of AffectNet whose sizes are those of other classes than the option `codes` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pipeline.datasets.reading.ambiguous import is_number
from pipeline.datasets.reading.rows import Row
from pipeline.errors import DatasetError
from pipeline.tables.labels import CODE_MAPS

__all__ = ["refuse_other_order"]

_MIN_ROWS, _MIN_LABELS = 1000, 6  # below, shares may be equal by chance
_FAR = 0.2  # of shares of labels: more than parts of the train set differ from it that are drawn at random
_NEAR = 0.25  # of the distance by the option `codes`


def refuse_other_order(
    rows: Sequence[Row], codes: str, others: Iterable[str], published: Mapping[str, int], where: str
) -> None:
    """Refuse numbered folders that another code map explains: nearly every label would be wrong.

    Copies with equally large classes, and folders of names, are never refused.

    Parameters
    ----------
    rows : of class folders, read by `codes`
    others : names of the code maps that may fit
    published : label -> images of the complete train split

    Raises
    ------
    DatasetError
        If the train folders have the shares of the published classes by one of `others` and not by `codes`.
    """
    train = [row.sample for row in rows if row.sample.split == "train" and row.sample.label]
    counts = Counter(sample.label for sample in train)
    if len(train) < _MIN_ROWS or len(counts) < _MIN_LABELS:
        return
    if not all(is_number(folder) for sample in train for folder in sample.path.split("/")[-2:-1]):
        return
    if (own := _distance(counts, published)) < _FAR:
        return
    code_of = {label: code for code, label in CODE_MAPS[codes].items()}
    for name in others:
        labels = {label: CODE_MAPS[name].get(code_of[label], "") for label in counts}
        if all(labels.values()) and _distance({labels[old]: n for old, n in counts.items()}, published) < _NEAR * own:
            raise DatasetError(
                f"{where}: expected train folders with the shares of AffectNet's classes (happiness 47 %, neutral "
                f"26 %), found them by codes={name} and not by codes={codes}. Set the option codes={name}; to read "
                f"the folders by {codes} all the same, use the layout folder"
            )


def _distance(counts: Mapping[str, int], published: Mapping[str, int]) -> float:
    """How far the shares of labels are from the published ones of the same labels: half the sum of differences."""
    total, of_published = sum(counts.values()), sum(published[name] for name in counts)
    return sum(abs(n / total - published[name] / of_published) for name, n in counts.items()) / 2
