"""The predictions that scores are of: made by `evaluate`, read by all that looks behind a score."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache import Store
from pipeline.errors import InputError
from pipeline.learning.evaluation import Evaluation
from pipeline.predict.saved import SavedHead, read_saved
from pipeline.records import Score
from pipeline.records.predictions import (
    EXCLUDED,
    OTHER_LABEL,
    REJECTED,
    SCORED,
    Predictions,
    read_predictions,
    require_predictions,
)
from stages.errors import StageError
from stages.workflows.scored_split import ScoredSplit
from stages.workflows.scores_file import kept_scores, read_scores
from stages.workspace import scores_path

__all__ = ["Scored", "has_predictions", "predictions_of", "unit_predictions"]

_OF_TABLE = ("subject", "clip", "fold", "scene")


@dataclass(frozen=True)
class Scored:
    """A score, and the predictions that it is of; None where both are files already."""

    score: Score
    predictions: Predictions | None = None

    @cached_property
    def data(self) -> bytes:
        """The file of the predictions."""
        return self.predictions.as_bytes() if self.predictions else b""

    @cached_property
    def record(self) -> Score:
        """The score with the digest of its predictions."""
        if not self.predictions:
            return self.score
        return self.score.model_copy(update={"predictions": hashlib.sha256(self.data).hexdigest()})


def unit_predictions(
    run: SavedHead, source: ScoredSplit, known: npt.NDArray[np.bool_], evaluation: Evaluation
) -> Predictions:
    """The predictions of a head for all units of a split.

    Parameters
    ----------
    known : shape (U,): the usable units whose label is one of the classes
    evaluation : of the head on this split
    """
    rows, usable = source.units.all_units(source.split)
    of_usable = np.where(known, EXCLUDED, OTHER_LABEL).astype(object)
    of_usable[evaluation.units] = SCORED
    status, sha256 = np.full(len(rows), REJECTED, object), np.full(len(rows), "", object)
    status[usable] = of_usable
    if source.rows.sha256 is not None:
        sha256[usable] = source.rows.keys if source.rows.clips is not None else source.rows.sha256
    units = _columns(source.units.store, rows)
    units = {"id": units.pop("id"), "sha256": sha256, "label": units.pop("label"), "status": status, **units}
    return Predictions.of(units, evaluation.logits, run.classes, run.temperature)


def _columns(store: Store, rows: npt.NDArray[np.intp]) -> dict[str, npt.NDArray[Any]]:
    """What the store has of the units; the id of a clip is its name."""
    names = {"id": "clip" if store.unit == "clip" else "id", "label": "label"}
    names |= {name: name for name in _OF_TABLE if name in store.manifest.columns}
    frame = store.columns([*dict.fromkeys(names.values())])
    return {name: frame[column].to_numpy(dtype=object)[rows].astype(str) for name, column in names.items()}


def has_predictions(path: Path, score: Score) -> bool:
    """Whether the predictions of a score in the scores.json at `path` are there, as they were."""
    try:
        require_predictions(path.parent / score.predictions_file, score)
    except InputError:
        return False
    return True


def predictions_of(
    folder: Path, dataset: str, split: str = "test", *, without_overlap: bool = False
) -> tuple[Score, Predictions]:
    """A score of a run as it is now, and the predictions that it is of.

    Parameters
    ----------
    folder : of the run, at RUNS/ENCODER/METHOD/DATASET/[VARIANT/]seed-N
    dataset, split : what it was scored on
    without_overlap : the score without the units that overlap with its training set

    Raises
    ------
    StageError, InputError
        If it was not evaluated there, was trained again since, or its predictions are gone or are others.
    """
    remedy = [("evaluate", {"runs": (str(folder),), "datasets": (dataset,)})]
    path = scores_path(folder)
    if path is None:
        raise StageError(
            f"{folder}: expected a run at RUNS/ENCODER/METHOD/DATASET/[VARIANT/]seed-N: no scores are kept of others"
        )
    for score in kept_scores(read_scores(path), read_saved(folder)):
        if score.key == (dataset, split, without_overlap):
            return score, read_predictions(path.parent / score.predictions_file, score, remedy)
    raise StageError(
        f"{folder}: expected its score on {dataset} {split}, found none of the head as it is", remedy=remedy
    )
