"""One score: how one head does on one split of one dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.report.fields import Fields

__all__ = ["METRICS", "METRIC_NAMES", "Score"]

METRICS = ("accuracy", "uar")
METRIC_NAMES = {"accuracy": "Accuracy", "uar": "UAR"}


@dataclass(frozen=True)
class Score:
    """How one head does on one split of one dataset. Scores are fractions in [0, 1].

    `confusion` holds (C, C) counts in the run's class order; rows are the true expression. `per_class` is the recall,
    None where the expression does not occur. `ci95` holds the bounds per metric. `seen`: the head was trained on this
    dataset. `dropped` counts images whose label is none of the run's classes, `rejected` those whose image could not be
    used; neither is part of `n`. `ece` is of the probabilities at the head's temperature, `ece_uncalibrated` at 1.
    `encoder_saw`: the encoder itself was trained on the train split of a dataset of this layout. Older scores lack the
    last two: None, False.
    """

    dataset: str
    split: str
    n: int
    accuracy: float
    uar: float
    per_class: Mapping[str, float | None]
    support: Mapping[str, int]
    ece: float
    ci95: Mapping[str, tuple[float, float]]
    confusion: tuple[tuple[int, ...], ...]
    rejected: int
    seen: bool
    dropped: Mapping[str, int]
    encoder_saw: bool = False
    ece_uncalibrated: float | None = None

    @classmethod
    def from_fields(cls, fields: Fields, classes: tuple[str, ...]) -> Score:
        """The score in one object of a scores file.

        Raises
        ------
        InputError
            If a field is missing or malformed, or the confusion counts do not add up to `support` and `n`.
        """
        ci95 = fields.inner("ci95")
        score = cls(
            dataset=fields.text("dataset"),
            split=fields.text("split"),
            n=fields.count("n"),
            accuracy=fields.fraction("accuracy"),
            uar=fields.fraction("uar"),
            per_class=dict.fromkeys(classes) | fields.fractions("per_class"),
            support=dict.fromkeys(classes, 0) | fields.counts("support"),
            ece=fields.fraction("ece"),
            ci95={metric: ci95.interval(metric) for metric in METRICS},
            confusion=fields.table("confusion", len(classes)),
            rejected=fields.count("rejected"),
            seen=fields.flag("seen"),
            dropped=fields.counts("dropped"),
            encoder_saw="encoder_saw" in fields.data and fields.flag("encoder_saw"),
            ece_uncalibrated=fields.fraction("ece_uncalibrated") if "ece_uncalibrated" in fields.data else None,
        )
        _check_counts(score, fields, classes)
        return score

    def value(self, metric: str) -> float:
        """The score by `metric`, one of `METRICS`."""
        return {"accuracy": self.accuracy, "uar": self.uar}[metric]

    @property
    def chance(self) -> float:
        """What guessing scores in the mean, every class of the run equally often: the same by either metric."""
        return 1 / len(self.support)

    def majority(self, metric: str) -> float:
        """What always saying the most frequent expression of these images scores."""
        counts = [n for n in self.support.values() if n]
        return {"accuracy": max(counts) / self.n, "uar": 1 / len(counts)}[metric]


def _check_counts(score: Score, fields: Fields, classes: tuple[str, ...]) -> None:
    for name in ("per_class", "support"):
        if strange := sorted(set(getattr(score, name)) - set(classes)):
            fields.refuse(name, f"about {', '.join(classes)} only", ", ".join(strange))
    if not score.n:
        fields.refuse("n", "1 or more: a score is of something", score.n)
    rows = {name: sum(row) for name, row in zip(classes, score.confusion, strict=True)}
    if rows != score.support:
        fields.refuse("confusion", f"rows that add up to support {score.support}", rows)
    if sum(rows.values()) != score.n:
        fields.refuse("n", f"{sum(rows.values())}, the sum of the confusion counts", score.n)
