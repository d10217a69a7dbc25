"""Scores heads on datasets: which rows, by which store and encoder, and what must be stated with the scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cache import Store
from pipeline.encoders.devices import device_name, require_device
from pipeline.errors import PipelineError
from pipeline.footnotes import MOSTLY_SEEN
from pipeline.learning.evaluation import Evaluation
from pipeline.learning.evaluation import evaluate as evaluate_head
from pipeline.predict.saved import SavedHead
from pipeline.records import FoldRecord, Score
from stages.errors import StageError
from stages.params import Params
from stages.remedies import encoder_written
from stages.workflows.aligned_features import aligned_features_steps
from stages.workflows.audit_records import AuditRecords
from stages.workflows.opened_stores import OpenedStores
from stages.workflows.overlap import Overlap, OverlapFinder, require_made_fold, rows_without_overlap
from stages.workflows.predictions import Scored, unit_predictions
from stages.workflows.row_identity import SplitRows, rows_digest
from stages.workflows.scored_split import Budget, ScoredSplit, scored_split
from stages.workflows.scores_file import score_source
from stages.workflows.store_encoder import encoder_of, require_dataset, require_encoder_named

if TYPE_CHECKING:
    from pipeline.encoders.torch_encoder import TorchEncoder
    from pipeline.learning.head import Head

__all__ = ["Scorer"]


@dataclass(frozen=True)
class _Task:
    """A head on a split of a dataset.

    Parameters
    ----------
    identity : the fields of a `Score` that state what was scored, and how
    known : bool, shape (U,): the usable units of the split whose label is one of the classes
    keep : bool, shape (U,): the usable units of the split that are not left out for their overlap
    earlier : the score of this very identity that there is
    """

    dataset: str
    source: ScoredSplit
    identity: Mapping[str, Any]
    known: npt.NDArray[np.bool_]
    keep: npt.NDArray[np.bool_]
    earlier: Score | None

    def changes(self, scores: Iterable[Score]) -> str:
        """The fields in which the score of this dataset and split among `scores` differs; empty if there is none."""
        key = (self.dataset, self.source.split, bool(self.identity["excluded_overlap"]))
        same = (score for score in scores if score.key == key)
        names = [[name for name, value in self.identity.items() if getattr(score, name) != value] for score in same]
        return "; ".join(f"{', '.join(of_score) or 'scenes'} differ" for of_score in names)


class Scorer:
    """Scores runs on datasets. Stores and encoders that several runs need are opened once, rows are read once.

    Parameters
    ----------
    stores : that heads are scored on, below the features root
    params : params.yaml
    device : where heads compute, as `--device` has it
    exclude_overlap : leave rows out that the head was trained or selected on: by their bytes, and by audits
    audits : what audits found; by default bytes alone are compared

    Attributes
    ----------
    notes : what has to be stated with the scores, each once
    """

    def __init__(
        self,
        stores: OpenedStores,
        params: Params,
        device: str,
        *,
        exclude_overlap: bool = False,
        audits: AuditRecords | None = None,
    ) -> None:
        require_device(device)
        self.stores, self.params, self.device = stores, params, device
        self.exclude_overlap = exclude_overlap
        self.notes: dict[str, None] = {}
        self._current: set[tuple[str, str]] = set()
        self._splits: dict[tuple[str, str, str], ScoredSplit] = {}
        self._budget = Budget()
        self._encoders: dict[str, TorchEncoder] = {}
        self._digests: dict[tuple[int, bytes], str] = {}
        self._overlaps = OverlapFinder(stores, audits)

    def score(
        self, run: SavedHead, datasets: Sequence[str], split: str, earlier: Iterable[Score] = ()
    ) -> tuple[list[Scored], int]:
        """Scores of a run on every dataset, new ones with their predictions, and how many of them are new.

        One of `earlier` is taken as it is, where everything that determines a score is what it states: the head, the
        version of `evaluate`, the store, the scored rows with their labels, and what is stated of them beside. Then
        neither the head is built nor features are read.

        A head of a fold is scored on the rows of its fold where the dataset is the one that it was trained on, and on
        the table's split of others.

        `seen` is true if the dataset has the name of the train dataset, or if at least half of the scored rows have the
        bytes of rows of the train dataset, or their pictures by an audit (of any split of it: the same pictures under
        another name, with splits exchanged or not, are no unseen dataset). Without the train dataset's store only the
        name decides.

        Raises
        ------
        StageError, PipelineError
            If the head cannot be built, a store is not one that it can score, or nothing is left to score.
        """
        tasks, stores = self._tasks(run, datasets, split, earlier)
        if not (n_new := sum(task.earlier is None for task in tasks)):
            return [Scored(task.earlier) for task in tasks if task.earlier], 0
        head = self._head(run, next(iter(stores.values())))
        return [Scored(task.earlier) if task.earlier else self._scored(run, head, task) for task in tasks], n_new

    def outdated(self, run: SavedHead, datasets: Sequence[str], split: str, earlier: Sequence[Score]) -> dict[str, str]:
        """What `score` would score: dataset -> the fields in which the score that there is differs; "" without one.

        Nothing is scored, and no model is built. Raises as `score` does of stores.
        """
        tasks, _ = self._tasks(run, datasets, split, earlier)
        return {task.dataset: task.changes(earlier) for task in tasks if task.earlier is None}

    def _tasks(
        self, run: SavedHead, datasets: Sequence[str], split: str, earlier: Iterable[Score]
    ) -> tuple[list[_Task], Mapping[str, Store]]:
        """What there is to score, or is scored already, in the order of the datasets; and their stores."""
        with encoder_written(run.record.encoder, run.record.encoder_named):
            stores = {dataset: self.stores.store(run.record.encoder, dataset) for dataset in datasets}
            for dataset, store in stores.items():
                self._require_current(store, dataset, run.record.encoder_named)
        return [self._task(run, dataset, store, split, earlier) for dataset, store in stores.items()], stores

    def _require_current(self, store: Store, dataset: str, named: str) -> None:
        """Refuse a store that is not of what its names mean now; once for all runs that read it."""
        if (name := (str(store.path), named)) not in self._current:
            require_encoder_named(store, self.params, named)
            require_dataset(store, dataset, self.params, named)
            self._current.add(name)

    def _split(self, store: Store, split: str, fold: FoldRecord | None) -> ScoredSplit:
        """The units of a split, of the fold of a head that is scored on the dataset that it was trained on."""
        of_fold = f"{fold.name} {fold.source}" if fold else ""
        if (name := (str(store.path), split, of_fold)) not in self._splits:
            self._splits[name] = scored_split(self.stores.units.of(store, fold), split, self._budget)
        return self._splits[name]

    def _digest(self, rows: SplitRows, scored: npt.NDArray[np.bool_]) -> str:
        name = id(rows), scored.tobytes()  # rows stay in memory: no other object gets their id
        if name not in self._digests:
            self._digests[name] = rows_digest(rows.take(scored))
        return self._digests[name]

    def _task(self, run: SavedHead, dataset: str, store: Store, split: str, earlier: Iterable[Score]) -> _Task:
        fold = run.record.fold if dataset == run.record.dataset else None
        source = self._split(store, split, fold)
        if fold:
            require_made_fold(run, source.units)
        rows = source.rows
        known = np.isin(rows.labels, run.classes)
        overlap = self._overlap(run, dataset, rows)
        keep = np.ones(len(rows), bool)
        if self.exclude_overlap:
            keep = rows_without_overlap(run, dataset, overlap, known)
        self._note_dtype(run, dataset, store)
        scored = known & keep
        checked = overlap if isinstance(overlap, Overlap) else None
        in_dataset = checked is not None and scored.any() and checked.dataset[scored].mean() >= MOSTLY_SEEN
        identity = {
            "dataset": dataset,
            "split": split,
            "seen": dataset == run.record.dataset or bool(in_dataset),
            "encoder_saw": store.manifest.dataset.get("layout") in run.record.encoder_saw,
            **score_source(run.record)._asdict(),
            "store_key": store.key,
            "rows": self._digest(rows, scored),
            "options": dict(store.manifest.dataset.get("options", {})),
            "dtype": store.manifest.key_fields["dtype"],
            "overlap": checked.counts(scored) if checked else None,
            "excluded_overlap": int((known & ~keep).sum()),
            "near_overlap": checked.near_counts(scored) if checked else None,
            "excluded_kinds": checked.kinds if checked and self.exclude_overlap else (),
            "rejected": source.rejected(split),
            "rejected_frames": source.n_rejected_frames,
            "unit": source.units.unit,
            "dropped": dict(sorted(Counter(rows.labels[~known].tolist()).items())),
            "classes": tuple(run.classes),
            "fold": fold,
        }
        refused = identity["dropped"] and not self.params.protocol.drop_other_labels
        scenes = None if source.scenes is None else Counter(source.scenes[scored].tolist())
        same = () if refused else (score for score in earlier if _has(score, identity) and _n_scenes(score) == scenes)
        return _Task(dataset, source, identity, known, keep, next(iter(same), None))

    def _scored(self, run: SavedHead, head: Head, task: _Task) -> Scored:
        evaluation = self._evaluation(run, head, task.source, task.keep)
        fields = {**evaluation.as_json(), **task.identity}
        score = Score(**{name: value for name, value in fields.items() if name in Score.model_fields})
        return Scored(score, unit_predictions(run, task.source, task.known, evaluation))

    def _overlap(self, run: SavedHead, dataset: str, rows: SplitRows) -> Overlap | str:
        """Which rows the head knows; that it could not be checked is noted."""
        overlap = self._overlaps.find(run, dataset, rows)
        if isinstance(overlap, str):
            self.notes[overlap] = None
        return overlap

    def _evaluation(self, run: SavedHead, head: Head, source: ScoredSplit, keep: npt.NDArray[np.bool_]) -> Evaluation:
        try:
            return evaluate_head(
                head,
                source,
                source.split,
                drop_other_labels=self.params.protocol.drop_other_labels,
                temperature=run.temperature,
                keep=keep,
                scenes=source.scenes,
            )
        except PipelineError as error:
            is_mismatch = error.kind == "mismatch"
            remedy = aligned_features_steps(run, source.dataset, self.stores.features) if is_mismatch else ()
            if remedy:
                raise StageError(f"{run.folder}: {error}. It reads aligned faces", remedy=remedy) from error
            raise StageError(f"{run.folder}: {error}", remedy=error.remedy, purpose=error.purpose) from error

    def _note_dtype(self, run: SavedHead, dataset: str, store: Store) -> None:
        trained, scored = run.record.dtype, store.manifest.key_fields["dtype"]
        if trained and trained != scored:  # an export may not name it
            of = run.record.dataset
            self.notes[f"trained on {trained} features of {of}, scored on {scored} features of {dataset}"] = None

    def _head(self, run: SavedHead, store: Store) -> Head:
        """The run's head on the device; one that is a part of its encoder is built with the encoder of `store`."""
        encoder = self._encoder(store, run.record.encoder_named) if run.needs_encoder else None
        return run.build(encoder).to(device_name(self.device))

    def _encoder(self, store: Store, named: str) -> TorchEncoder:
        from pipeline.encoders.torch_encoder import require_torch_encoder  # late: it brings torch

        if (path := str(store.path)) not in self._encoders:
            self._encoders.clear()  # one encoder in memory at a time
            self._encoders[path] = require_torch_encoder(encoder_of(store, self.params, named, self.device))
        return self._encoders[path]


def _has(score: Score, identity: Mapping[str, Any]) -> bool:
    return all(getattr(score, name) == value for name, value in identity.items())


def _n_scenes(score: Score) -> Mapping[str, int] | None:
    """Scored units of each scene, as a score has them; None if it has no scenes."""
    if score.scenes is None:
        return None
    return {name: sum(map(sum, counts)) for name, counts in score.scenes.items()}
