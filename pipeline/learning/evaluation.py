"""A head against one split of one dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError, MismatchError
from pipeline.heap import keep_freed_memory
from pipeline.learning.metrics import Scores, confusion_matrix, score
from pipeline.tables.labels import CLASS_SETS, class_set_names, label_codes

if TYPE_CHECKING:
    from pipeline.learning.head import Head
    from pipeline.sources import FeatureSource

__all__ = ["EvaluatedUnits", "Evaluation", "evaluate", "none_of_the_classes", "rows_of_classes"]


@dataclass(frozen=True)
class Evaluation:
    """Scores of a head on one split: of its units, images or clips.

    Parameters
    ----------
    rejected : images that could not be used, or clips without a usable frame: nothing could be predicted for them
    seen : whether the head was trained on this dataset (on another split of it, when the split is test)
    dropped : units left out because the head does not know their label, per label
    units : int64, shape (M,): positions of the scored units among the usable ones of the split, ascending
    logits : float32, shape (M, C): of these, at temperature 1
    scenes : confusion counts of each scene, (C, C), rows true; None where no scenes were named
    """

    dataset: str
    split: str
    scores: Scores
    rejected: int
    seen: bool
    dropped: dict[str, int]
    units: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32]
    scenes: Mapping[str, npt.NDArray[np.int64]] | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "dataset": self.dataset,
            "split": self.split,
            **self.scores.as_json(),
            "rejected": self.rejected,
            "dropped": self.dropped,
            "seen": self.seen,
            **({"scenes": {name: counts.tolist() for name, counts in self.scenes.items()}} if self.scenes else {}),
        }


@dataclass(frozen=True)
class EvaluatedUnits:
    """Of the usable units of a split, U.

    Parameters
    ----------
    keep : bool, shape (U,): those that are scored; None for all
    scenes : str, shape (U,): to count for each of them, too
    """

    keep: npt.NDArray[np.bool_] | None = None
    scenes: npt.NDArray[np.str_] | None = None


_ALL_UNITS = EvaluatedUnits()


def evaluate(
    head: Head,
    source: FeatureSource,
    split: str = "test",
    *,
    drop_other_labels: bool = False,
    temperature: float = 1.0,
    units: EvaluatedUnits = _ALL_UNITS,
) -> Evaluation:
    """Score `head` on the plain view of `split`, and read no other split.

    Parameters
    ----------
    head : Head
    source : FeatureSource
        Of the encoder that the head was trained on.
    split : train, val or test
    drop_other_labels : leave rows out whose label the head does not know, and count them
    temperature : > 0, of the head's probabilities: what it was calibrated to
    units : which of the split's usable units are scored; all of them by default

    Raises
    ------
    InputError
        If the split has no usable row.
    MismatchError
        If the encoder or width differ, or the split holds labels that the head does not know.
    """
    keep_freed_memory()
    head.require(source)
    where = f"{source.dataset} {split}"
    labels = source.labels(split)
    rows, dropped = rows_of_classes(labels, head.spec.classes, where, drop=drop_other_labels)
    if not len(rows) and dropped:
        raise InputError(f"{where}: expected rows to score, {none_of_the_classes(head.spec.classes, dropped)}")
    if units.keep is not None:
        rows = rows[units.keep[rows]]
    if not len(rows):
        raise InputError(
            f"{where}: expected rows to score, found none. Choose another split, or index the dataset again"
        )
    logits = head.predict_units(source, split, rows)
    scores = score(logits, labels[rows], head.spec.classes, temperature)
    seen = source.dataset == head.spec.dataset
    scenes = None if units.scenes is None else units.scenes[rows]
    of_scenes = None if scenes is None else _by_scene(logits, labels[rows], scenes, head.spec.classes)
    return Evaluation(source.dataset, split, scores, source.rejected(split), seen, dropped, rows, logits, of_scenes)


def _by_scene(
    logits: npt.NDArray[np.floating[Any]],
    labels: npt.NDArray[np.str_],
    scenes: npt.NDArray[np.str_],
    classes: tuple[str, ...],
) -> dict[str, npt.NDArray[np.int64]]:
    """Confusion counts of each scene, by name: the scores of all rows are those of their sum."""
    truth, predicted = np.array(label_codes(labels.tolist(), classes), np.int64), logits.argmax(axis=1)
    return {
        str(name): confusion_matrix(truth[scenes == name], predicted[scenes == name], len(classes))
        for name in np.unique(scenes)
    }


def rows_of_classes(
    labels: npt.NDArray[np.str_], classes: Sequence[str], where: str, *, drop: bool
) -> tuple[npt.NDArray[np.int64], dict[str, int]]:
    """Which rows have a label among `classes`, and how many of every other label there are.

    Returns
    -------
    rows : int64, shape (M,), ascending
    dropped : label -> rows, empty when every label is known

    Raises
    ------
    MismatchError
        If there are other labels and `drop` is False.
    """
    known = np.isin(labels, list(classes))
    dropped = dict(sorted(Counter(labels[~known].tolist()).items()))
    if dropped and not drop:
        if not known.any():
            raise MismatchError(f"{where}: expected rows to read, {none_of_the_classes(classes, dropped)}")
        raise MismatchError(
            f"{where}: expected only the classes {', '.join(classes)}, found also {_counts(dropped)} rows. "
            "Leave such rows out with `protocol: {drop_other_labels: true}` in params.yaml (they are counted), or use "
            f"a head of {_class_set_advice(classes, dropped)}"
        )
    return np.flatnonzero(known), dropped


def none_of_the_classes(classes: Sequence[str], labels: Mapping[str, int]) -> str:
    """The end of an error about rows (`labels`: label -> rows) of which none has a label among `classes`."""
    return (
        f"found none of the classes {', '.join(classes)}, but {_counts(labels)} rows. They need a head of "
        f"{_class_set_advice((), labels)}"
    )


def _counts(labels: Mapping[str, int]) -> str:
    return ", ".join(f"{label} {n}" for label, n in labels.items())


def _class_set_advice(classes: Sequence[str], labels: Mapping[str, int]) -> str:
    """How to get a head that knows `labels`, and `classes` too where a set has both."""
    for names, words in (({*classes, *labels}, "all these classes"), (set(labels), "the labels of these rows")):
        if fitting := [name for name, of_set in CLASS_SETS.items() if names <= set(of_set)]:
            return f"{words}: `classes: {fitting[0]}` in params.yaml, then train"
    return f"such labels: no set has them all; index the dataset with one of `classes` {class_set_names(CLASS_SETS)}"
