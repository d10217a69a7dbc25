"""What the stages write down about runs and stores, checked once on the way in.

A record that is incomplete, contradicts itself or holds percent instead of fractions is refused: a report is only as
good as the numbers under it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.report.fields import Fields, is_gap, objects
from pipeline.report.scores import Score
from pipeline.tables.labels import EXPRESSIONS
from pipeline.versions import stage_version

__all__ = ["RunRecord", "StoreRecord"]

_TRAIN_AGAIN = "Run `fer-stage train` again for this run, then `fer-stage evaluate`"
_EVALUATE_AGAIN = "Run `fer-stage evaluate` again for this run; a damaged file is deleted first"


@dataclass(frozen=True)
class RunRecord:
    """One trained head: how it was made (run), how training went (history) and what it scored (scores).

    `encoder_note` says what must be known before believing any number (a stand-in encoder), `text_note` the same of
    another encoder whose text was used; else they are empty. `encoder_saw` names the layouts whose train split the
    encoder itself saw. `recipe` is the paper's settings that were asked for, if any. These three may be missing.
    `history` has one row per epoch, or per value of what was searched; None where nothing was measured.

    `rows` is the digest of the train and validation rows with their labels, `key` that of their features, `views` and
    `dtype` are of the features that were read; `n_train` and `n_val` count the rows that were used. `scores` are of the
    run's head, `stale` are scores in the same file of another head, or by another version of `evaluate`. `is_random`:
    another seed gives another head.

    Known once all runs are: `settings` is what sets the run apart from others of the method, `train` the name of its
    train rows on the page, `options` those of the layout of the dataset trained on, as far as scores tell.
    """

    method: str
    encoder: str
    encoder_note: str
    encoder_identity: Mapping[str, Any]
    dataset: str
    seed: int
    classes: tuple[str, ...]
    config: Mapping[str, Any]
    key: str
    width: int
    epochs: int
    selected_epoch: int
    seconds: float
    n_train: int
    n_val: int
    val_accuracy: float
    val_uar: float
    versions: Mapping[str, Any]
    history: tuple[Mapping[str, float | None], ...]
    scores: tuple[Score, ...]
    rows: str
    method_version: int
    views: int
    dtype: str
    is_random: bool
    stale: tuple[Score, ...] = ()
    label: str = ""
    scores_label: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    text_key: str = ""
    settings: str = ""
    train: str = ""
    text_note: str = ""
    encoder_saw: tuple[str, ...] = ()
    recipe: str = ""

    @property
    def trained_on(self) -> str:
        """The name of its train rows on the page; the dataset's until names are known."""
        return self.train or self.dataset

    @property
    def name(self) -> str:
        """The method, and in brackets what sets the run apart from others of it."""
        return f"{self.method} ({self.settings})" if self.settings else self.method

    def scores_on(self, dataset: str) -> list[Score]:
        """Its scores on a dataset, by the name of the store."""
        return [score for score in self.scores if score.dataset == dataset]

    @classmethod
    def from_json(cls, run: Any, history: Any, scores: Any, label: str, scores_label: str = "") -> RunRecord:
        """The run whose three files hold the parsed JSON `run`, `history` and `scores`.

        Parameters
        ----------
        run : object
        history : list of objects with equal keys and numbers; null, NaN and infinity are gaps
        scores : list of objects, at most one per dataset, split, and whether overlapping rows are left out; empty if
            the run was not evaluated yet
        label : names the run in messages, e.g. its folder
        scores_label : names the scores; `label` without one

        Raises
        ------
        InputError
            If a field is missing or malformed, or the files contradict each other.
        """
        fields = Fields(run, f"{label}, run", _TRAIN_AGAIN)
        classes, val = _classes(fields), fields.inner("val")
        source = (fields.text("run_key"), fields.text("head_sha256"), stage_version("evaluate"))
        scores_label = scores_label or label
        read = _scores(scores, f"{scores_label}, scores", fields.text("dataset"), classes)
        return cls(
            method=f"{fields.text('method')} {fields.text('variant')}".strip(),
            encoder=fields.text("encoder"),
            encoder_note=fields.text("encoder_note"),
            encoder_identity=fields.mapping("encoder_identity"),
            dataset=fields.text("dataset"),
            seed=fields.count("seed"),
            classes=classes,
            config=fields.mapping("config"),
            key=fields.text("key"),
            width=fields.count("width"),
            epochs=fields.count("epochs"),
            selected_epoch=fields.count("selected_epoch"),
            seconds=fields.number("seconds"),
            n_train=fields.count("n_train"),
            n_val=fields.count("n_val"),
            val_accuracy=val.fraction("accuracy"),
            val_uar=val.fraction("uar"),
            versions=fields.mapping("versions"),
            history=_history(history, f"{label}, history"),
            scores=tuple(score for score in read if score.source == source),
            rows=fields.text("rows"),
            method_version=fields.count("method_version"),
            views=fields.count("views"),
            dtype=fields.text("dtype"),
            is_random=fields.flag("is_random"),
            stale=tuple(score for score in read if score.source != source),
            label=label,
            scores_label=scores_label,
            text_key=fields.text("text_key") if "text_key" in fields.data else "",
            text_note=fields.text("text_note") if "text_note" in fields.data else "",
            encoder_saw=fields.names("encoder_saw") if "encoder_saw" in fields.data else (),
            recipe=fields.text("recipe") if "recipe" in fields.data else "",
        )


@dataclass(frozen=True)
class StoreRecord:
    """The features of one dataset under one encoder. `splits` and `labels` count usable rows, `rejected` by reason.

    `encoder_saw`: the encoder itself was trained on the train split of a dataset of this layout.
    """

    dataset: str
    encoder: str
    encoder_note: str
    rows: int
    usable: int
    rejected: Mapping[str, int]
    splits: Mapping[str, int]
    labels: Mapping[str, int]
    width: int
    outputs: tuple[str, ...]
    views: int
    dtype: str
    key: str
    precision: str
    preprocess: Mapping[str, Any]
    encoder_saw: bool = False

    @classmethod
    def from_json(cls, store: Any, label: str) -> StoreRecord:
        """The store that the parsed JSON `store` describes; `label` names it in messages.

        Raises
        ------
        InputError
            If a field is missing or malformed.
        """
        fields = Fields(store, label)
        return cls(
            dataset=fields.text("dataset"),
            encoder=fields.text("encoder"),
            encoder_note=fields.text("encoder_note"),
            rows=fields.count("rows"),
            usable=fields.count("usable"),
            rejected=fields.counts("rejected"),
            splits=fields.counts("splits"),
            labels=fields.counts("labels"),
            width=fields.count("width"),
            outputs=fields.names("outputs"),
            views=fields.count("views"),
            dtype=fields.text("dtype"),
            key=fields.text("key"),
            precision=fields.text("precision"),
            preprocess=fields.mapping("preprocess"),
            encoder_saw="encoder_saw" in fields.data and fields.flag("encoder_saw"),
        )


def _classes(fields: Fields) -> tuple[str, ...]:
    classes = fields.names("classes")
    if not classes or classes != tuple(name for name in EXPRESSIONS if name in classes):
        fields.refuse("classes", f"expressions in canonical order ({', '.join(EXPRESSIONS)})", list(classes))
    return classes


def _history(data: Any, where: str) -> tuple[dict[str, float | None], ...]:
    rows: list[dict[str, float | None]] = []
    for fields in objects(data, where):
        row = fields.data
        if rows and row.keys() != rows[0].keys():
            fields.refuse("columns", f"those of the first row ({', '.join(rows[0])})", ", ".join(row))
        rows.append({name: None if is_gap(row[name]) else fields.number(name) for name in row})
    return tuple(rows)


def _scores(data: Any, where: str, trained_on: str, classes: tuple[str, ...]) -> tuple[Score, ...]:
    scores = []
    for fields in objects(data, where, _EVALUATE_AGAIN):
        score = Score.from_fields(fields, classes)
        if score.dataset == trained_on and not score.seen:
            fields.refuse("seen", f"true, as the head was trained on {trained_on}", "false")
        scores.append(score)
    keys = Counter((score.dataset, score.split, score.excluded_overlap > 0) for score in scores)
    (dataset, split, _), n = next(iter(keys.most_common(1)), (("", "", False), 0))
    if n > 1:
        refused = Fields({}, where, _EVALUATE_AGAIN)
        refused.refuse("dataset", "named once per run and split", f"{dataset}, split {split}, {n} times")
    return tuple(scores)
