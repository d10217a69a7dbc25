"""A score: how one head does on one split of one dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from pipeline.learning.metrics import METRICS
from pipeline.records.fields import Count, Digest, Fraction, Name, Positive, Record, Text, Texts
from pipeline.records.fold import FoldRecord
from pipeline.tables.labels import in_canonical_order
from pipeline.tables.sample import Unit

__all__ = ["Score", "ScoreSource", "wrong_rates"]

_ROUNDING = 1e-6


def _in_order(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("expected the lower bound first")
    return bounds


Interval = Annotated[tuple[Fraction, Fraction], Field(strict=False), AfterValidator(_in_order)]
Counts = Annotated[tuple[Count, ...], Field(strict=False)]


class Intervals(Record):
    """95 % intervals by metric: the lower bound first."""

    accuracy: Interval
    uar: Interval


class ScoreSource(NamedTuple):
    """What produced a score: the key of the run, the digest of its weights, the version of `evaluate`."""

    run_key: str
    head_sha256: str
    evaluate_version: int


class Score(Record):
    """How one head does on one split of one dataset. Scores are fractions in [0, 1].

    Of `METRICS` the file has accuracy and UAR; every other one follows from the confusion counts that it has, too.

    Parameters
    ----------
    n : scored units
    per_class : recall of every class of the head, in canonical order; None where the expression does not occur
    support : scored units of every class
    ece : of the probabilities at the head's temperature; `ece_uncalibrated` at 1; `ece_expected` that of a perfectly
        calibrated head of the same confidences, None where it was not computed
    ci95 : bounds per metric
    confusion : (C, C) counts, rows true
    rejected : images that could not be used, or clips without a usable frame; `dropped` those whose label is none of
        the classes. Neither is in `n`
    seen : the head was trained on this dataset
    encoder_saw : the encoder itself was trained on the train split of a dataset of this layout
    run_key, head_sha256, evaluate_version : of the head, and of the program that scored
    store_key, dtype : of the features
    rows : digest of the scored rows, images and labels, whatever the encoder; `options` are those of the layout
    overlap : scored rows whose bytes the head was trained on ("train"), or selected on only ("val"), so that no row
        counts twice; None if not checked
    excluded_overlap : such rows that were left out of the score, those that an audit found included
    near_overlap : scored rows that have other bytes than any image that the head was trained or selected on, and by an
        audit show the same or nearly the same picture as one: kind of equality -> rows; None without an audit
    excluded_kinds : how rows were equal that were left out, where an audit was used; else by their bytes alone
    unit : what `n` and all other counts are of: `image`, then not in the file, or `clip`
    rejected_frames : frames that could not be used in clips with others; not in the file where there are none
    fold : whose test rows these are, of a head that was trained on the others; not in the file of another score
    scenes : confusion counts of each scene, as `confusion`, which is their sum; not in the file of a dataset without
    predictions : sha256 of the file of predictions that the score is of, see `predictions_file`; empty, and not in the
        file, of scores that were made before predictions were kept
    """

    dataset: Name
    split: Name
    n: Positive
    accuracy: Fraction
    uar: Fraction
    per_class: dict[str, Fraction | None]
    support: dict[str, Count]
    ece: Fraction
    ece_expected: Fraction | None
    ece_uncalibrated: Fraction
    ci95: Intervals
    confusion: Annotated[tuple[Counts, ...], Field(strict=False)]
    rejected: Count
    dropped: dict[Text, Count]
    seen: bool
    encoder_saw: bool
    run_key: Digest
    head_sha256: Digest
    evaluate_version: Count
    store_key: Digest
    rows: Digest
    options: dict[str, Any]
    dtype: Literal["", "float16", "float32"]
    overlap: dict[Literal["train", "val"], Count] | None
    excluded_overlap: Count
    near_overlap: dict[Text, Count] | None = None
    excluded_kinds: Texts = ()
    unit: Unit = "image"
    rejected_frames: Count = 0
    fold: FoldRecord | None = None
    scenes: dict[Text, Annotated[tuple[Counts, ...], Field(strict=False)]] | None = None
    predictions: Digest = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Check counts against each other."""
        classes = self.classes
        if not classes or classes != in_canonical_order(classes):
            raise ValueError(f"per_class: expected expressions in canonical order, found {', '.join(classes)}")
        if tuple(self.support) != classes:
            raise ValueError(f"support: expected counts of {', '.join(classes)}, found {', '.join(self.support)}")
        if [len(row) for row in self.confusion] != [len(classes)] * len(classes):
            raise ValueError(f"confusion: expected {len(classes)} lists of {len(classes)} counts, found others")
        rows = {name: sum(row) for name, row in zip(classes, self.confusion, strict=True)}
        if rows != self.support:
            raise ValueError(f"confusion: expected rows that add up to support {self.support}, found {rows}")
        if sum(rows.values()) != self.n:
            raise ValueError(f"n: expected {sum(rows.values())}, the sum of the confusion counts, found {self.n}")
        if self.scenes is not None:
            self._require_scenes(self.scenes)
        return self

    def _require_scenes(self, scenes: Mapping[str, tuple[tuple[int, ...], ...]]) -> None:
        shape = [len(self.classes)] * len(self.classes)
        if any([len(row) for row in counts] != shape for counts in scenes.values()):
            raise ValueError(f"scenes: expected {len(shape)} lists of {len(shape)} counts for each, found others")
        if np.sum(list(scenes.values()), axis=0).tolist() != [list(row) for row in self.confusion]:
            raise ValueError("scenes: expected counts that add up to confusion, found others")

    @model_serializer(mode="wrap")
    def _without_defaults(self, dumped: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What audits, clips, folds and scenes add is left out where there is none: records are as they always were."""
        data: dict[str, Any] = dumped(self)
        absent = {"near_overlap": None, "excluded_kinds": (), "unit": "image", "rejected_frames": 0}
        absent |= {"fold": None, "scenes": None, "predictions": ""}
        return {name: value for name, value in data.items() if name not in absent or value != absent[name]}

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the head."""
        return tuple(self.per_class)

    @property
    def source(self) -> ScoreSource:
        """What produced the score."""
        return ScoreSource(self.run_key, self.head_sha256, self.evaluate_version)

    @property
    def without_overlap(self) -> bool:
        """Whether overlapping rows were left out."""
        return self.excluded_overlap > 0

    @property
    def key(self) -> tuple[str, str, bool]:
        """A file has one score for each: dataset, split, whether overlapping rows were left out."""
        return self.dataset, self.split, self.without_overlap

    @property
    def predictions_file(self) -> str:
        """The path of its predictions below the folder of scores.json, with `/`."""
        return f"predictions/{self.dataset}/{self.split}{'-without-overlap' if self.without_overlap else ''}.parquet"

    @property
    def rows_key(self) -> tuple[str, str, str, bool]:
        """What scores of one column share: dataset, split, rows, whether overlapping rows are left out."""
        return self.dataset, self.split, self.rows, self.without_overlap

    @property
    def overlap_share(self) -> float | None:
        """Share of the scored rows whose bytes the head was trained or selected on; None where it was not checked."""
        return None if self.overlap is None else min(1.0, sum(self.overlap.values()) / self.n)

    @property
    def near_share(self) -> float:
        """Share of the scored rows that, by an audit, show the picture of a row that the head was trained on."""
        return min(1.0, sum((self.near_overlap or {}).values()) / self.n)

    def value(self, metric: str) -> float:
        """The score by `metric`, one of `METRICS`: that of the file, else of the confusion counts."""
        if metric not in Score.model_fields:
            return METRICS[metric].score(np.array(self.confusion))
        value: float = getattr(self, metric)
        return value

    def by_metric(self) -> dict[str, float]:
        """The score by every metric."""
        return {metric: self.value(metric) for metric in METRICS}

    def bounds(self, metric: str) -> tuple[float, float] | None:
        """Its 95 % interval by `metric`; None for a metric without."""
        if metric not in Intervals.model_fields:
            interval = METRICS[metric].interval
            return interval(np.array(self.confusion)) if interval else None
        bounds: tuple[float, float] = getattr(self.ci95, metric)
        return bounds

    def majority_baseline(self, metric: str) -> float:
        """The score of always answering the most frequent expression of these images."""
        support = np.array(list(self.support.values()))
        return METRICS[metric].score(support[:, None] * (np.arange(len(support)) == support.argmax()))

    def chance_level(self, metric: str) -> float:
        """The score of answering every expression of the head equally often, whatever the image."""
        return METRICS[metric].score(np.tile(np.array(list(self.support.values()))[:, None], len(self.support)))


def wrong_rates(score: Score) -> Iterator[str]:
    """Rates of a score that do not follow from its confusion counts, and more overlapping rows than were scored."""
    recalls = {
        name: row[i] / sum(row) if sum(row) else None
        for i, (name, row) in enumerate(zip(score.classes, score.confusion, strict=True))
    }
    counts = np.array(score.confusion)
    for name in (name for name in METRICS if name in Score.model_fields):
        rate = METRICS[name].score(counts)
        if abs(score.value(name) - rate) > _ROUNDING:
            yield f"{name}: expected {rate:.6f}, by the confusion counts, found {score.value(name)}"
    for name, recall in recalls.items():
        stated = score.per_class[name]
        if (stated is None) != (recall is None) or abs((stated or 0) - (recall or 0)) > _ROUNDING:
            yield f"per_class: expected {recall} for {name}, by the confusion counts, found {stated}"
    overlap: Mapping[Any, int] = score.overlap or {}
    if overlap and (most := max(overlap.values())) > score.n:
        yield f"overlap: expected at most n, {score.n}, found {most}"
    if score.near_overlap and (total := sum(score.near_overlap.values())) > score.n:
        yield f"near_overlap: expected at most n, {score.n}, in all kinds together, found {total}"
