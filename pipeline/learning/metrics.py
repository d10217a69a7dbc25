"""Scores of predictions against labels. Counts first: everything but the calibration follows from the confusion.

`METRICS` is the one table of scores: what training selects by, what `evaluate` prints, what the report shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError, MismatchError
from pipeline.learning.probabilities import expected_calibration_error, expected_ece, softmax
from pipeline.learning.statistics import Interval, mean_of_proportions_interval, wilson_interval
from pipeline.tables.labels import label_codes

__all__ = [
    "METRICS",
    "Metric",
    "Scores",
    "accuracy_score",
    "confusion_matrix",
    "per_class_recall",
    "score",
    "uar_score",
]

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Metric:
    """A score of predictions: a fraction in [0, 1], in percent where people read it.

    Parameters
    ----------
    label : inside a sentence, such as `accuracy` and `UAR`
    score : confusion counts, int64 (C, C), rows true -> the score
    definition : for readers of a report; `{images}` is replaced by what was scored, such as `test images`
    interval : confusion counts -> 95 % interval of the score; None where none is known
    higher_is_better : False for an error: the epoch with the lowest one is selected
    """

    label: str
    score: Callable[[Counts], float]
    definition: str
    interval: Callable[[Counts], Interval] | None = None
    higher_is_better: bool = True

    @property
    def title(self) -> str:
        """The label as a heading begins with it."""
        return self.label[:1].upper() + self.label[1:]

    def rank(self, score: float) -> float:
        """A number that is the higher, the better `score` is."""
        return score if self.higher_is_better else -score


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

    def by_metric(self) -> dict[str, float]:
        """Every score of `METRICS`."""
        return {name: metric.score(self.confusion) for name, metric in METRICS.items()}

    @property
    def ci95(self) -> dict[str, Interval]:
        """95 % intervals of the metrics that have one."""
        return {name: metric.interval(self.confusion) for name, metric in METRICS.items() if metric.interval}

    def as_json(self) -> dict[str, Any]:
        """Plain data, every number a Python number."""
        return {
            "n": self.n,
            **self.by_metric(),
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


# scikit-learn counts and divides to the same bits, which tests compare, but it is not used here: it takes labels where
# records have counts; it warns where a class without rows is predicted, and where there is only one class; it takes
# 2.6 ms, numpy 6 us, after each epoch of each head; and its import takes a second.
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
    """Share of each class's rows that were predicted so: float64, shape (C,), NaN where a class has no row."""
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


def accuracy_interval(confusion: Counts) -> Interval:
    """95 % interval of `accuracy_score`; at least one row."""
    return wilson_interval(int(confusion.trace()), int(confusion.sum()))


def uar_interval(confusion: Counts) -> Interval:
    """95 % interval of `uar_score`, over the classes present in the labels; at least one row."""
    hits, totals = confusion.diagonal(), confusion.sum(axis=1)
    present = totals > 0
    return mean_of_proportions_interval(hits[present].tolist(), totals[present].tolist())


METRICS: dict[str, Metric] = {
    "accuracy": Metric(
        "accuracy",
        accuracy_score,
        "Share of the {images} whose predicted expression is the annotated one; also called weighted average recall. "
        "Frequent expressions dominate it.",
        accuracy_interval,
    ),
    "uar": Metric(
        "UAR",
        uar_score,
        "Unweighted average recall: the plain mean of the recalls of all expressions that occur among the {images}. "
        "Guessing scores 100 divided by the number of expressions.",
        uar_interval,
    ),
}
"""Every score by its name in files, options and columns; the first one is the main score.

The calibration error is not among them: it is of probabilities, and no epoch is selected by it.
"""
