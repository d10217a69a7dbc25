"""What `evaluate` does: runs and some stores -> scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cache import Store
from cache.errors import CacheError
from cache.places import Place
from cache.places.links import require_inside
from cache.store import find_store
from pipeline.encoders.torch_encoder import TorchEncoder, require_torch_encoder, resolve_device
from pipeline.errors import PipelineError
from pipeline.footnotes import MOSTLY_SEEN
from pipeline.learning.evaluation import evaluate as evaluate_head
from pipeline.learning.head import Head
from pipeline.methods.own import plain_name
from pipeline.predict.saved import DEFAULT_HEAD, EXPORTED, RUN, SavedHead, read_saved
from pipeline.progress import OnProgress
from pipeline.records import Score
from stages.errors import StageError
from stages.output import say
from stages.params import Params, load_params
from stages.remedies import as_commands, command_line, encoder_written
from stages.requests import EvaluateRequest
from stages.results import EvaluateResult, RunScores
from stages.workflows.row_identity import HeadRowsFinder, SplitRows, rows_digest, split_rows
from stages.workflows.scores_file import score_source, write_scores
from stages.workflows.store_encoder import encoder_of, require_dataset, require_encoder_named
from stages.workspace import heads_below, runs_root, scores_path

__all__ = ["DEFAULT", "Scorer", "evaluate", "runs_below"]

DEFAULT = "default"  # as `--run` names the head that is part of fer-stage


def evaluate(request: EvaluateRequest, _on_progress: OnProgress) -> EvaluateResult:
    """Score every head on every dataset, and write the scores of a head before the next one is scored.

    Scores of an exported head, of one outside its runs folder, and of another split than the protocol's are not
    written.
    """
    params = load_params(request.params)
    plain_name(request.method or "")
    datasets, split = request.datasets or tuple(params.run.datasets), request.split or params.protocol.test_split
    writes = not request.dry_run and split == params.protocol.test_split
    folders = runs_below(request.runs)
    scorer = Scorer(request.features, params, request.device, exclude_overlap=request.exclude_overlap)
    scored = tuple(_score_run(folder, scorer, datasets, split, writes=writes) for folder in folders)
    notes = dict.fromkeys([*(run.note for run in scored if run.note), *scorer.notes])
    return EvaluateResult(scored, tuple(notes))


def _score_run(folder: Path, scorer: Scorer, datasets: Sequence[str], split: str, *, writes: bool) -> RunScores:
    path = scores_path(folder) if writes else None
    if path:
        require_inside(path, runs_root(path))
    run = read_saved(folder)
    entries = scorer.score(run, datasets, split)
    if path:
        if n_dropped := write_scores(run, path, entries):
            say(f"{path}: {n_dropped} scores of a head that was replaced since were dropped")
    else:
        run.require_current()
        if writes:
            say(f"{folder}: nothing is written: it is no run at RUNS/ENCODER/METHOD/DATASET/[VARIANT/]seed-N")
    return RunScores(folder, run.record, tuple(entries), run.note, path)


def runs_below(folders: Sequence[Path]) -> list[Path]:
    """The folders of trained heads among `folders` and below them, each once: runs, or else exported heads.

    Parameters
    ----------
    folders : `default`, where no folder has that name, is the head that is part of fer-stage

    Raises
    ------
    StageError
        If a folder is no head and there is none below it.
    """
    heads: dict[Path, None] = {}
    for named in folders:
        folder = DEFAULT_HEAD if str(named) == DEFAULT and not named.exists() else named
        below = heads_below(folder, RUN) or heads_below(folder, EXPORTED)
        if not below:
            raise StageError(
                f"no trained run at {folder}: expected a folder with {RUN}, with {EXPORTED} (an exported head), or "
                f"with such folders below it. Train a head first, or name another folder; `{DEFAULT}` is the head that "
                "is part of fer-stage"
            )
        heads.update(dict.fromkeys(below))
    return list(heads)


@dataclass(frozen=True)
class _Overlap:
    """Which usable rows of a scored split a head knows, by the bytes of the image: masks of shape (N,).

    Parameters
    ----------
    train, val : rows that the head was trained on and selected on
    dataset : rows of the dataset that it was trained on, whichever split they are in there
    """

    train: npt.NDArray[np.bool_]
    val: npt.NDArray[np.bool_]
    dataset: npt.NDArray[np.bool_]

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        return self.train | self.val


class Scorer:
    """Scores runs on datasets. Stores and encoders that several runs need are opened once.

    Parameters
    ----------
    features : root of the stores
    params : params.yaml
    device : where heads compute, as `--device` has it
    exclude_overlap : leave rows out whose bytes the head was trained or selected on

    Attributes
    ----------
    notes : what has to be stated beside the scores, each once
    """

    def __init__(self, features: Place, params: Params, device: str, *, exclude_overlap: bool = False) -> None:
        self.features, self.params, self.device = features, params, device
        self.exclude_overlap = exclude_overlap
        self.notes: dict[str, None] = {}
        self._stores: dict[tuple[str, str], Store] = {}
        self._current: set[tuple[str, str]] = set()
        self._rows: dict[tuple[str, str], SplitRows] = {}
        self._encoders: dict[str, TorchEncoder] = {}
        self._overlaps: dict[tuple[int, int], _Overlap] = {}
        self._digests: dict[tuple[int, bytes], str] = {}
        self._head_rows = HeadRowsFinder(features)

    def score(self, run: SavedHead, datasets: Sequence[str], split: str) -> list[Score]:
        """Scores of a run on every dataset: the entries of scores.json.

        `seen` is true if the dataset has the name of the train dataset, or if at least half of the scored rows have the
        bytes of rows of the train dataset (of any split of it: the same pictures under another name, with splits
        exchanged or not, are no unseen dataset). Without the train dataset's store the name decides alone.

        Raises
        ------
        StageError, PipelineError
            If the head cannot be built, a store is not one that it can score, or nothing is left to score.
        """
        with encoder_written(run.record.encoder, _named(run)):
            stores = {dataset: self._store(run.record.encoder, dataset) for dataset in datasets}
            for dataset, store in stores.items():
                self._require_current(store, dataset, _named(run))
        head = self._head(run, next(iter(stores.values())))
        return [self._entry(run, head, dataset, store, split) for dataset, store in stores.items()]

    def _require_current(self, store: Store, dataset: str, named: str) -> None:
        """Refuse a store that is not of what its names mean now; once for all runs that read it."""
        if (name := (str(store.path), named)) not in self._current:
            require_encoder_named(store, self.params, named)
            require_dataset(store, dataset, self.params, named)
            self._current.add(name)

    def _store(self, encoder: str, dataset: str) -> Store:
        if (encoder, dataset) not in self._stores:
            self._stores[encoder, dataset] = find_store(self.features, encoder, dataset)
        return self._stores[encoder, dataset]

    def _split(self, store: Store, split: str) -> SplitRows:
        if (name := (str(store.path), split)) not in self._rows:
            self._rows[name] = split_rows(store, split)
        return self._rows[name]

    def _digest(self, rows: SplitRows, scored: npt.NDArray[np.bool_]) -> str:
        name = id(rows), scored.tobytes()  # rows stay in memory: no other object gets their id
        if name not in self._digests:
            self._digests[name] = rows_digest(rows.take(scored))
        return self._digests[name]

    def _entry(self, run: SavedHead, head: Head, dataset: str, store: Store, split: str) -> Score:
        rows = self._split(store, split)
        known = np.isin(rows.labels, run.classes)
        overlap = self._overlap(run, dataset, rows)
        keep = self._rows_to_score(run, dataset, overlap, known)
        scored = known & keep
        try:
            evaluation = evaluate_head(
                head,
                store,
                split,
                drop_other_labels=self.params.protocol.drop_other_labels,
                temperature=run.temperature,
                keep=keep,
            )
        except PipelineError as error:
            remedy = self._aligned_features(run, store.dataset) if error.kind == "mismatch" else ()
            if remedy:
                raise StageError(f"{run.folder}: {error}. It reads aligned faces", remedy=remedy) from error
            raise StageError(f"{run.folder}: {error}", remedy=error.remedy, purpose=error.purpose) from error
        self._note_dtype(run, dataset, store)
        in_dataset = overlap is not None and overlap.dataset[scored].mean() >= MOSTLY_SEEN
        measured = evaluation.as_json() | {
            "dataset": dataset,
            "seen": dataset == run.record.dataset or bool(in_dataset),
        }
        return Score(
            **measured,
            encoder_saw=store.manifest.dataset.get("layout") in run.record.encoder_saw,
            **score_source(run.record)._asdict(),
            store_key=store.key,
            rows=self._digest(rows, scored),
            options=dict(store.manifest.dataset.get("options", {})),
            dtype=store.manifest.key_fields["dtype"],
            overlap=_counts(overlap, scored),
            excluded_overlap=int((known & ~keep).sum()),
        )

    def _overlap(self, run: SavedHead, dataset: str, rows: SplitRows) -> _Overlap | None:
        """Which rows the head knows; None if that could not be checked, which is noted."""
        if not run.is_trained:
            return _Overlap(*(np.zeros(len(rows), bool) for _ in range(3)))
        of_head = self._head_rows.find(run.record)
        if of_head is None or rows.sha256 is None:
            self.notes[self._unchecked(run, dataset if of_head else None)] = None
            return None
        if (pair := (id(of_head), id(rows))) not in self._overlaps:  # both are kept, and compared once for many runs
            masks = (np.isin(rows.sha256, part) for part in (of_head.train, of_head.val, of_head.dataset))
            self._overlaps[pair] = _Overlap(*masks)
        return self._overlaps[pair]

    def _unchecked(self, run: SavedHead, dataset: str | None) -> str:
        """Why overlap with the head's own rows was not checked; `dataset` has no digests of its images, or is None."""
        if dataset is not None:
            return f"{dataset}: overlap with the rows of heads was not checked: its store has no sha256 of its images"
        named = f"{run.record.encoder}/{run.record.dataset}"
        why = self._other_rows(run) if run.record.rows else "their records do not name them. Train them again"
        return f"heads of {named}: overlap with the rows that they were trained on was not checked: {why}"

    def _other_rows(self, run: SavedHead) -> str:
        """Why no store has the rows that a run was trained on, and what to do."""
        encoder, dataset = run.record.encoder, run.record.dataset
        try:
            with encoder_written(encoder, _named(run)):
                store = self._store(encoder, dataset)
        except CacheError as error:
            return as_commands(error)
        changed = "train and validation rows or labels" if store.key == run.record.key else "images or features"
        named = {"method": run.record.method, "dataset": dataset, "encoder": _named(run)}
        train = command_line("train", {**named, "features": self.features})
        return f"{store.path} has other {changed} now than they were trained on. Train them again: `{train}`"

    def _aligned_features(self, run: SavedHead, dataset: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """The steps that make the features of aligned faces that a head reads; none for a head of other images."""
        if not (alignment := run.alignment):
            return ()
        faces = {"faces": "aligned", "margin": alignment["margin"], "missed": alignment["missed"]}
        extract = {"dataset": dataset, "encoder": _named(run), **faces, "features": self.features}
        return [("align", {"dataset": dataset}), ("extract", extract)]

    def _rows_to_score(
        self, run: SavedHead, dataset: str, overlap: _Overlap | None, known: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Which rows are scored: all, or with `exclude_overlap` those that the head does not know.

        Raises
        ------
        StageError
            If rows are to be left out and it is not known which, or none are left.
        """
        if not self.exclude_overlap:
            return np.ones(len(known), bool)
        if overlap is None:
            raise StageError(
                f"--exclude-overlap on {dataset}: {next(reversed(self.notes))}. Or score without --exclude-overlap"
            )
        if known.any() and not (known & ~overlap.known).any():
            raise StageError(
                f"--exclude-overlap: all {int(known.sum()):,} rows of {dataset} are among those that {run.folder} was "
                "trained or selected on: nothing is left to score. Name another --dataset"
            )
        return ~overlap.known

    def _note_dtype(self, run: SavedHead, dataset: str, store: Store) -> None:
        trained, scored = run.record.dtype, store.manifest.key_fields["dtype"]
        if trained and trained != scored:  # an export may not name it
            of = run.record.dataset
            self.notes[f"trained on {trained} features of {of}, scored on {scored} features of {dataset}"] = None

    def _head(self, run: SavedHead, store: Store) -> Head:
        """The run's head on the device; one that is a part of its encoder is built with the encoder of `store`."""
        encoder = self._encoder(store, _named(run)) if run.needs_encoder else None
        return run.build(encoder).to(resolve_device(self.device))

    def _encoder(self, store: Store, named: str) -> TorchEncoder:
        if (path := str(store.path)) not in self._encoders:
            self._encoders.clear()  # one encoder in memory at a time
            self._encoders[path] = require_torch_encoder(encoder_of(store, self.params, named, self.device))
        return self._encoders[path]


def _counts(overlap: _Overlap | None, scored: npt.NDArray[np.bool_]) -> dict[Literal["train", "val"], int] | None:
    if overlap is None:
        return None
    return {"train": int((overlap.train & scored).sum()), "val": int((overlap.val & scored).sum())}


def _named(run: SavedHead) -> str:
    """The encoder of a head as `--encoder` names it."""
    return run.record.encoder_named
