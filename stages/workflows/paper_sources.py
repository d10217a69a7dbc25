"""What figures of a paper need of single units: their features before and after a head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cache import Store
from cache.places import AnyPath
from pipeline.predict.saved import SavedHead, read_saved
from pipeline.records.predictions import Predictions
from pipeline.records.run import OwnRun
from pipeline.report import ReportRun
from stages.errors import StageError
from stages.workflows.opened_stores import OpenedStores
from stages.workflows.predictions import predictions_of

if TYPE_CHECKING:
    from pipeline.report.paper.projection import FeaturePair
    from pipeline.report.runs import ReportScore

__all__ = ["FeatureReader"]

_SEED = 0  # of which units are drawn


class FeatureReader:
    """Reads features of test sets, and computes what heads make of them, on the CPU.

    Attributes
    ----------
    notes : what has no figure, and why, each once
    """

    def __init__(self, features: AnyPath) -> None:
        self.notes: dict[str, None] = {}
        self._stores = OpenedStores(features)

    def read(self, run: ReportRun, score: ReportScore, most: int) -> FeaturePair | None:
        """The features of at most `most` units, drawn with a fixed seed; None of a head that makes none of its own.

        Raises
        ------
        StageError, CacheError
            If the store is not there, or is not the one that was scored.
        """
        from pipeline.report.paper.projection import FeaturePair  # late: it brings matplotlib, an extra

        store = self._store(run, score)
        saved = read_saved(Path(run.label))
        if reason := _why_not(saved, store):
            self.notes[f"No figure of the features of {run.name} on {score.test}: {reason}"] = None
            return None
        units = self._stores.units.of(store, score.fold)
        ids, labels = units.ids(score.split), units.labels(score.split)
        known = np.isin(labels, saved.classes)
        if score.without_overlap:
            known &= np.isin(ids, _predictions(run, score).ids)
        rows = _drawn(np.flatnonzero(known), most)
        head = saved.build()
        head.require(units)
        of_head = head.represent_units(units, score.split, rows)
        if of_head is None:
            return None
        stored = np.asarray(units.features(score.split)[rows])
        return FeaturePair(ids[rows], labels[rows], stored, of_head)

    def _store(self, run: ReportRun, score: ReportScore) -> Store:
        store = self._stores.store(run.encoder, score.dataset)
        if store.key != score.store_key:
            raise StageError(
                f"{store.path}: expected the features that {run.label} was scored on, of key "
                f"{score.store_key[:12]}, found {store.key[:12]}",
                remedy=[("evaluate", {"runs": (run.label,)})],
                purpose="to score the features of now",
            )
        return store


def _predictions(run: ReportRun, score: ReportScore) -> Predictions:
    _, predictions = predictions_of(Path(run.label), score.dataset, score.split, without_overlap=score.without_overlap)
    return predictions


def _why_not(saved: SavedHead, store: Store) -> str:
    """Why features of a head are not drawn; empty if they are."""
    if isinstance(saved.record, OwnRun):
        return f"its method is code that the report does not run ({saved.record.method_code.code})"
    if saved.needs_encoder:
        return "the head is a part of its encoder, which the report does not load"
    if store.unit == "clip":
        return "those of clips are not drawn, only those of images"
    return ""


def _drawn(rows: npt.NDArray[np.intp], most: int) -> npt.NDArray[np.intp]:
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(_SEED).choice(rows, most, replace=False))
