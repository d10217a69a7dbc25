"""Scores of predictions against labels. Counts first: everything but the calibration follows from the confusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.calibration import expected_calibration_error, expected_ece, softmax
from pipeline.errors import InputError, MismatchError
from pipeline.statistics import mean_of_proportions_interval, wilson_interval
from pipeline.tables.labels import label_codes

__all__ = [
    "Scores",
    "SelectBy",
    "accuracy_score",
    "confusion_matrix",
    "per_class_recall",
    "score",
    "shown_score",
    "uar_score",
]

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]
SelectBy = Literal["accuracy", "uar", "last"]  # last: no score chooses, the last epoch is taken


def shown_score(select_by: SelectBy) -> Literal["accuracy", "uar"]:
    """The score that a listener is told: the one that chooses, else accuracy."""
    return "uar" if select_by == "uar" else "accuracy"


@dataclass(frozen=True)
class Scores:
    """What a head got right on N rows.

    Parameters
    ----------
    classes : C canonical expressions: the order of `confusion`
    confusion : int64, shape (C, C): rows are true classes, columns predicted ones
    ece : expected calibration error in [0, 1] of the probabilities at the head's temperature
    ece_uncalibrated : the same at temperature 1
    ece_expected : what `ece` would be, on as many rows, if every probability were true: an `ece` near it is chance
    """

    classes: tuple[str, ...]
    confusion: Counts
    ece: float
    ece_uncalibrated: float
    ece_expected: float

    @property
    def n(self) -> int:
        """Rows that were scored."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of right rows, also called WAR, in [0, 1]."""
        return accuracy_score(self.confusion)

    @property
    def uar(self) -> float:
        """Mean recall over the classes present in the labels, in [0, 1]."""
        return uar_score(self.confusion)

    @property
    def support(self) -> dict[str, int]:
        """Rows of each class."""
        return dict(zip(self.classes, self.confusion.sum(axis=1).tolist(), strict=True))

    @property
    def per_class(self) -> dict[str, float | None]:
        """Recall of each class; None where the labels hold no row of it."""
        recalls = [None if np.isnan(recall) else float(recall) for recall in per_class_recall(self.confusion)]
        return dict(zip(self.classes, recalls, strict=True))

    @property
    def ci95(self) -> dict[str, tuple[float, float]]:
        """95 % intervals of accuracy and UAR."""
        hits, totals = self.confusion.diagonal(), self.confusion.sum(axis=1)
        present = totals > 0
        return {
            "accuracy": wilson_interval(int(hits.sum()), self.n),
            "uar": mean_of_proportions_interval(hits[present].tolist(), totals[present].tolist()),
        }

    def as_json(self) -> dict[str, Any]:
        """Plain data, every number a Python number."""
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "uar": self.uar,
            "per_class": self.per_class,
            "support": self.support,
            "ece": self.ece,
            "ece_expected": self.ece_expected,
            "ece_uncalibrated": self.ece_uncalibrated,
            "ci95": {name: list(interval) for name, interval in self.ci95.items()},
            "confusion": self.confusion.tolist(),
        }


def score(logits: Floats, labels: npt.NDArray[np.str_], classes: tuple[str, ...], temperature: float = 1.0) -> Scores:
    """Scores of `logits` against `labels`.

    Parameters
    ----------
    logits : float, shape (N, C)
        Unnormalised log probabilities; log-softmax changes nothing.
    labels : canonical expressions, shape (N,)
    classes : C canonical expressions: the columns of `logits`
    temperature : > 0, divides the logits in probabilities; changes the calibration error only

    Raises
    ------
    InputError
        If there is no row, or a logit is not finite.
    LabelError
        If a label is not among the classes.
    MismatchError
        If the shapes do not belong together.
    """
    if logits.shape != (len(labels), len(classes)):
        raise MismatchError(
            f"logits: expected shape ({len(labels)} labels, {len(classes)} classes), found {logits.shape}. "
            "Score a head on the labels of the rows it was given"
        )
    if not len(labels):
        raise InputError("nothing to score: expected at least one row, found 0. Choose a split that has rows")
    if not np.isfinite(logits).all():
        raise InputError("logits: expected finite numbers, found NaN or infinity. Check the features and the head")
    truth = np.array(label_codes(labels.tolist(), classes), dtype=np.int64)
    confusion = confusion_matrix(truth, logits.argmax(axis=1), len(classes))
    probabilities = softmax(logits, temperature)
    ece, uncalibrated = (expected_calibration_error(values, truth) for values in (probabilities, softmax(logits)))
    return Scores(classes, confusion, ece, uncalibrated, expected_ece(probabilities.max(axis=1)))


def confusion_matrix(truth: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], n_classes: int) -> Counts:
    """Counts of (true, predicted) pairs: int64, shape (C, C), rows are true classes.

    Parameters
    ----------
    truth, predicted : int64 in [0, C), shape (N,)
    """
    pairs = np.bincount(truth * n_classes + predicted, minlength=n_classes * n_classes)
    return pairs.reshape(n_classes, n_classes).astype(np.int64)


def accuracy_score(confusion: Counts) -> float:
    """Share of right rows, in [0, 1]; NaN when there is no row."""
    total = confusion.sum()
    return float(confusion.trace() / total) if total else float("nan")


def per_class_recall(confusion: Counts) -> npt.NDArray[np.float64]:
    """Share of each class's rows that were found: float64, shape (C,), NaN where a class has no row."""
    support = confusion.sum(axis=1)
    recall = np.full(len(support), np.nan)
    np.divide(confusion.diagonal(), support, out=recall, where=support > 0)
    return recall


def uar_score(confusion: Counts) -> float:
    """Unweighted average recall over the classes present in the labels, in [0, 1]; NaN when there is no row.

    A class that the labels do not hold has no recall and is left out, not counted as 0.
    """
    recall = per_class_recall(confusion)
    present = recall[~np.isnan(recall)]
    return float(present.mean()) if len(present) else float("nan")
