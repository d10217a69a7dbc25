"""The runs of a report: records with histories and scores, and the kinds of their methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Self

from pipeline.errors import InputError
from pipeline.footnotes import DatasetFinding
from pipeline.methods import METHODS, config_class
from pipeline.records import History, Run, Score, Scores, ScoreSource
from pipeline.report.reliability import Reliability
from pipeline.versions import stage_version

__all__ = [
    "NO_TRAINING",
    "SPLIT_NAMES",
    "Kind",
    "ReportRun",
    "ReportScore",
    "Selection",
    "base_method",
    "kind_of",
    "order_of",
    "select_scores",
    "settings_order",
    "shortened_list",
]

NO_TRAINING = "no training"
"""Instead of the name of a train dataset: no dataset has this name, since it contains a space."""
SPLIT_NAMES = {"test": "test", "val": "validation"}


class Kind(IntEnum):
    """What the scores of a method depend on, in the order of the page."""

    IMAGE = 0  # an image network on pixels alone: its scores depend on no encoder
    HEAD = 1  # anything trained on an encoder's outputs
    UNTRAINED = 2  # zero-shot, image features against text features: every dataset is unseen


class ReportScore(Score):
    """A score, and what the page states beside it.

    Parameters
    ----------
    column : the name of its set of test rows on the page: empty until the names of all are known
    audit : what audits found in the datasets that its head was trained and scored on, of what marks scores
    folds : which folds its column is of, where it is of the rows of one; empty until all runs are known
    reliability : of its predictions; None where they are not here
    """

    column: str = ""
    audit: tuple[DatasetFinding, ...] = ()
    folds: str = ""
    reliability: Reliability | None = None

    @property
    def test(self) -> str:
        """The name of its column; the dataset's until columns have names."""
        return self.column or self.dataset


@dataclass(frozen=True)
class ReportRun:
    """One trained head: its record, its training history and its scores.

    Parameters
    ----------
    record : run.json
    history : one row per epoch, or per value of a search; None where nothing was measured
    scores : of the run's head
    stale : scores in the same file of another head, or by another version of `evaluate`
    label, scores_label : folder of the run and file of its scores, for messages
    settings : what distinguishes the run from others of its method; empty until all runs are known, as the next two
    train : the name of its train rows on the page
    options : of the layout of the dataset trained on, as far as scores tell
    folds : numbers of the folds of the runs that differ in their fold only, this one's among them; empty until all runs
        are known, and of a run without a fold, as the next two
    rows_of_folds : digest of the train rows of all of them
    folds_text : which they are, in words
    """

    record: Run
    history: History = ()
    scores: tuple[ReportScore, ...] = ()
    stale: tuple[ReportScore, ...] = ()
    label: str = ""
    scores_label: str = ""
    settings: str = ""
    train: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    folds: tuple[int, ...] = ()
    rows_of_folds: str = ""
    folds_text: str = ""

    @classmethod
    def of(cls, record: Run, history: History, scores: Scores, label: str, scores_label: str = "") -> Self:
        """A run with its history and all scores in its file.

        Raises
        ------
        InputError
            If a score cannot be of this run.
        """
        for i, score in enumerate(scores):
            if problem := _contradiction(record, score):
                raise InputError(f"{scores_label or label}: {i}.{problem}", remedy=[("evaluate", {"runs": (label,)})])
        named = [ReportScore.model_construct(**dict(score)) for score in scores]
        source = ScoreSource(record.run_key, record.head_sha256, stage_version("evaluate"))
        return cls(
            record,
            history,
            tuple(score for score in named if score.source == source),
            tuple(score for score in named if score.source != source),
            label,
            scores_label or label,
        )

    @property
    def method(self) -> str:
        """The method, and the variant of it that a grid made."""
        return f"{self.record.method} {self.record.settings}".strip()

    @property
    def name(self) -> str:
        """The method, and in brackets what distinguishes the run from others of it."""
        return f"{self.method} ({self.settings})" if self.settings else self.method

    @property
    def encoder(self) -> str:
        """The name of its features' encoder."""
        return self.record.encoder

    @property
    def dataset(self) -> str:
        """The dataset trained on."""
        return self.record.dataset

    @property
    def trained_on(self) -> str:
        """The name of its train rows on the page; the dataset's until names are known."""
        return self.train or self.dataset

    @property
    def trained_as(self) -> str:
        """The name of its train rows, and its fold where it has one: of runs one by one."""
        return f"{self.trained_on}, fold {self.fold}" if self.fold else self.trained_on

    @property
    def rows(self) -> str:
        """Digest of its train rows; of a run of a fold, of those of all folds."""
        return self.rows_of_folds or self.record.rows

    @property
    def fold(self) -> int:
        """The number of its fold; 0 where it has none."""
        return self.record.fold.number if self.record.fold else 0

    @property
    def n_folds(self) -> int:
        """K; 0 where it has no fold."""
        return self.record.fold.n if self.record.fold else 0

    @property
    def seed(self) -> int:
        """The training seed."""
        return self.record.seed

    @property
    def classes(self) -> tuple[str, ...]:
        """The expressions that the head predicts."""
        return self.record.classes

    @property
    def is_trained(self) -> bool:
        """Whether the method trains anything."""
        return kind_of(self.method) is not Kind.UNTRAINED

    def audited(self, findings: Sequence[DatasetFinding]) -> ReportRun:
        """The run with what audits found in its datasets beside its scores."""
        train = self.record.dataset if self.is_trained else None
        marks = [DatasetFinding.of_score(findings, score.dataset, train) for score in self.scores]
        scores = zip(self.scores, marks, strict=True)
        return replace(self, scores=tuple(score.model_copy(update={"audit": audit}) for score, audit in scores))

    def scores_on(self, dataset: str) -> list[ReportScore]:
        """Its scores on a dataset, by the name of the store."""
        return [score for score in self.scores if score.dataset == dataset]


@dataclass(frozen=True)
class Selection:
    """The runs with their scores of one `split` (empty without any), and notes on what was left out."""

    runs: list[ReportRun]
    split: str
    left_out: tuple[str, ...]


def select_scores(runs: Iterable[ReportRun], evaluate_command: str = "") -> Selection:
    """Leave out scores of other heads and of other splits: those of the test split are shown, else of validation.

    Parameters
    ----------
    evaluate_command : that scores all runs again, for the note on scores of other heads

    Notes
    -----
    Validation images selected the epoch: scores on them are too high, and must not be mixed with test scores.
    """
    runs = list(runs)
    splits = {score.split for run in runs for score in run.scores}
    split = next((name for name in (*SPLIT_NAMES, *sorted(splits)) if name in splits), "")
    chosen = [replace(run, scores=tuple(score for score in run.scores if score.split == split)) for run in runs]
    left_out = [_other_split(runs, other, split) for other in sorted(splits - {split})]
    if stale := [run for run in runs if run.stale]:
        left_out.append(_stale(stale, evaluate_command))
    return Selection(chosen, split, tuple(left_out))


def shortened_list(names: Iterable[str]) -> str:
    """The first three names in sorted order, and how many more there are."""
    ordered = sorted(names)
    return ", ".join(ordered[:3]) + (f" and {len(ordered) - 3} more" if len(ordered) > 3 else "")


def base_method(method: str) -> str:
    """`cafe` of `cafe beta_div=5.0`."""
    return method.partition(" ")[0]


def kind_of(method: str) -> Kind:
    """The kind of a method, with or without a variant; one from outside the package counts as a head."""
    name = base_method(method)
    if name not in METHODS:
        return Kind.HEAD
    config = config_class(name)()
    if not config.is_trained:
        return Kind.UNTRAINED
    return Kind.HEAD if config.uses_encoder else Kind.IMAGE


def order_of(method: str) -> tuple[object, ...]:
    """What methods are sorted by: kind, name, then the values of their variants, numbers as numbers."""
    name, _, variant = method.partition(" ")
    return (kind_of(method), name, settings_order(variant))


def settings_order(settings: str) -> tuple[object, ...]:
    """What `epochs=2,lr=0.1` is sorted by: names, then values, numbers as numbers."""
    return tuple(_setting_order(part.strip()) for part in settings.split(",") if part)


def _setting_order(part: str) -> tuple[str, bool, float, str]:
    """`beta_div=10` comes after `beta_div=9.5`, and any text after all numbers."""
    name, _, value = part.partition("=")
    try:
        return (name, False, float(value), "")
    except ValueError:
        return (name, True, 0.0, value)


def _contradiction(record: Run, score: Score) -> str:
    """Why a score cannot be of a run; empty if it can."""
    if score.classes != record.classes:
        return f"per_class: expected recalls of {', '.join(record.classes)}, found of {', '.join(score.classes)}"
    if score.dataset == record.dataset and not score.seen:
        return f"seen: expected true, as the head was trained on {record.dataset}, found false"
    if score.fold != (record.fold if score.dataset == record.dataset else None):
        return (
            "fold: expected that of the head on the dataset that it was trained on, and none on others, found another"
        )
    return ""


def _other_split(runs: Sequence[ReportRun], other: str, split: str) -> str:
    n = [sum(score.split == other for score in run.scores) for run in runs]
    return (
        f"Left out: {_count(sum(n), 'score')} on the {other} split, of {_count(sum(map(bool, n)), 'run')}. "
        f"This report is of the {split} split alone."
    )


def _stale(runs: Sequence[ReportRun], evaluate_command: str) -> str:
    return (
        f"Left out: {_count(sum(len(run.stale) for run in runs), 'score')} of other heads than those of the runs, or "
        f"by another version of evaluate, in {shortened_list({run.scores_label for run in runs})}. Score the heads "
        f"again{evaluate_command and f': {evaluate_command}'}"
    )


def _count(n: int, name: str) -> str:
    return f"{n:,} {name}{'' if n == 1 else 's'}"
