"""One score: how one head does on one split of one dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.report.fields import Fields

__all__ = ["METRICS", "METRIC_NAMES", "Score"]

_ROUNDING = 1e-6

METRICS = ("accuracy", "uar")
METRIC_NAMES = {"accuracy": "Accuracy", "uar": "UAR"}


@dataclass(frozen=True)
class Score:
    """How one head does on one split of one dataset. Scores are fractions in [0, 1].

    `confusion` holds (C, C) counts in the run's class order; rows are the true expression. `per_class` is the recall,
    None where the expression does not occur. `ci95` holds the bounds per metric. `seen`: the head was trained on this
    dataset. `dropped` counts images whose label is none of the run's classes, `rejected` those whose image could not be
    used; neither is part of `n`. `ece` is of the probabilities at the head's temperature, `ece_uncalibrated` at 1.
    `encoder_saw`: the encoder itself was trained on the train split of a dataset of this layout. `ece_expected` is what
    a perfectly calibrated head of the same confidences would have in the mean; None where it was not computed.

    `rows` is the digest of the scored rows, images and labels, whatever the encoder; `options` are those of the
    dataset's layout, such as a label rule. `store_key` and `dtype` are of the features that were scored, `run_key` and
    `head_sha256` of the head, `evaluate_version` of the program that scored. `overlap` counts scored rows whose bytes
    the head was trained ("train") or selected ("val") on, None where that was not checked; `excluded_overlap` counts
    those that were left out of the score.

    `column` is the name of the set of rows on the page, empty until the names of all are known.
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
    run_key: str
    head_sha256: str
    evaluate_version: int
    store_key: str
    rows: str
    options: Mapping[str, Any]
    dtype: str
    overlap: Mapping[str, int] | None
    excluded_overlap: int
    encoder_saw: bool = False
    ece_uncalibrated: float | None = None
    ece_expected: float | None = None
    column: str = ""

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
            run_key=fields.text("run_key"),
            head_sha256=fields.text("head_sha256"),
            evaluate_version=fields.count("evaluate_version"),
            store_key=fields.text("store_key"),
            rows=fields.text("rows"),
            options=fields.mapping("options"),
            dtype=fields.text("dtype"),
            overlap=fields.counts_or_null("overlap"),
            excluded_overlap=fields.count("excluded_overlap"),
            encoder_saw="encoder_saw" in fields.data and fields.flag("encoder_saw"),
            ece_uncalibrated=_fraction_if_there(fields, "ece_uncalibrated"),
            ece_expected=_fraction_if_there(fields, "ece_expected"),
        )
        _check_counts(score, fields, classes)
        return score

    def require_rates(self, fields: Fields) -> None:
        """Refuse rates that are not those of the confusion counts: `fields` is what the score was read from.

        Raises
        ------
        InputError
            If accuracy, UAR or a recall is another, or more rows overlap than were scored.
        """
        recalls = {
            name: row[i] / sum(row) if sum(row) else None
            for i, (name, row) in enumerate(zip(self.support, self.confusion, strict=True))
        }
        there = [recall for recall in recalls.values() if recall is not None]
        rates = {"accuracy": sum(row[i] for i, row in enumerate(self.confusion)) / self.n, "uar": fmean(there)}
        for name, rate in rates.items():
            if abs(self.value(name) - rate) > _ROUNDING:
                fields.refuse(name, f"{rate:.6f}, by the confusion counts", self.value(name))
        for name, recall in recalls.items():
            found = self.per_class[name]
            if (found is None) != (recall is None) or abs((found or 0) - (recall or 0)) > _ROUNDING:
                fields.refuse("per_class", f"{recall} for {name}, by the confusion counts", found)
        if self.overlap and (most := max(self.overlap.values())) > self.n:
            fields.refuse("overlap", f"at most n, {self.n}", most)

    @property
    def source(self) -> tuple[str, str, int]:
        """What made the score: the key of the run, the digest of its head, the version of `evaluate`."""
        return (self.run_key, self.head_sha256, self.evaluate_version)

    @property
    def rows_key(self) -> tuple[str, str, str, bool]:
        """What scores of one column share: dataset, split, rows, whether overlapping rows are left out."""
        return (self.dataset, self.split, self.rows, self.excluded_overlap > 0)

    @property
    def test(self) -> str:
        """The name of its column; the dataset's until columns have names."""
        return self.column or self.dataset

    @property
    def overlap_share(self) -> float | None:
        """Share of the scored rows whose bytes the head was trained or selected on; None where it was not checked."""
        return None if self.overlap is None else min(1.0, sum(self.overlap.values()) / self.n)

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


def _fraction_if_there(fields: Fields, name: str) -> float | None:
    return None if fields.data.get(name) is None else fields.fraction(name)


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
