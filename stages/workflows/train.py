"""What `train` does: a store and a method -> run folders."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from cache import Store
from cache.atomic import write_bytes
from cache.csv_cells import row_writer
from cache.keys import sha256_of
from cache.places import remove_tree
from cache.places.links import require_inside
from cache.places.lock import SHORT_WAIT_S, exclusive, lock_path
from cache.store import find_store
from pipeline import records
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.torch_encoder import TorchEncoder, require_torch_encoder, resolve_device
from pipeline.errors import TrainingError
from pipeline.footnotes import LEGEND
from pipeline.learning.method import FitResult, TrainingInputs
from pipeline.methods import METHODS, load_method
from pipeline.methods.own import own_method, plain_name
from pipeline.methods.packing import pack
from pipeline.predict.saved import HISTORY, RUN, WEIGHTS
from pipeline.progress import OnProgress
from pipeline.tables.labels import expressions
from pipeline.text_features import TextFeatures
from pipeline.versions import method_version
from stages.output import say
from stages.params import load_params
from stages.remedies import encoder_written
from stages.requests import TrainRequest
from stages.results import PartialTrainingError, PlannedRun, TrainedRun, TrainResult
from stages.workflows.row_identity import head_rows_digest
from stages.workflows.scores_file import drop_stale_scores, score_source
from stages.workflows.store_encoder import encoder_of, require_dataset, require_encoder
from stages.workflows.store_identity import versions
from stages.workflows.sweep import Run, plan_runs
from stages.workflows.text_vectors import requested_text
from stages.workflows.train_checks import n_views, require_train_rows, require_writable, training_warnings

__all__ = ["Training", "train"]


def train(request: TrainRequest, on_progress: OnProgress) -> TrainResult:
    """Check everything, then train; each run folder is written as soon as its head is finished.

    Raises
    ------
    PartialTrainingError
        If numbers of some runs stop being finite: it has the result of the others.
    """
    training = Training.of(request)
    for line in training.notes():
        say(line)
    trained: dict[Path, records.Run] = {}
    if request.dry_run:
        return training.result(trained)
    try:
        for run, record in training.train(on_progress):
            trained[run.folder] = record
    except TrainingError as error:
        if not trained:
            raise
        raise PartialTrainingError(error, training.result(trained)) from error
    training.finish()
    return training.result(trained)


@dataclass(frozen=True)
class Training:
    """Some heads of one method on one dataset: everything is read and checked before anything is trained.

    `dataset` is the name of the store that was asked for, whatever the store calls itself. `encoder` is the name of the
    encoder's folder, `encoder_named` what `--encoder` takes for it beside this params.yaml, `encoder_spec` what it
    takes anywhere.
    """

    store: Store
    dataset: str
    encoder: str
    encoder_named: str
    encoder_spec: str
    runs: tuple[Run, ...]
    classes: tuple[str, ...]
    text: TextFeatures | None
    tower: TorchEncoder | None
    device: str
    recipe: str
    warnings: tuple[str, ...]
    drop_other_labels: bool
    prune: bool = False
    curves: Path | None = None

    @classmethod
    def of(cls, request: TrainRequest) -> Self:
        """From a request and its params.yaml."""
        params = load_params(request.params)
        request = replace(request, method=plain_name(request.method))
        named = request.encoder or params.run.encoders[0]
        name, spec = params.encoder(named)
        recipe, options = params.options(request.method, request.recipe)
        runs = plan_runs(request, params, name, {**options, **request.options})
        with encoder_written(name, named):
            store = find_store(request.features, name, request.dataset)
            require_encoder(store, spec, params, named)
            require_dataset(store, request.dataset, params, named)
            require_train_rows(store, runs)
        for run in runs:
            require_inside(run.folder / WEIGHTS, request.runs)
        require_writable(runs[0].folder)
        device = str(resolve_device(request.device))
        needs_encoder = any(run.config.needs_encoder for run in runs)
        return cls(
            store=store,
            dataset=request.dataset,
            encoder=name,
            encoder_named=named,
            encoder_spec=str(spec),
            runs=runs,
            classes=expressions(params.classes),
            text=requested_text(request, params, store, named, runs[0].config),
            tower=require_torch_encoder(encoder_of(store, params, named, device)) if needs_encoder else None,
            device=device,
            recipe=recipe,
            warnings=tuple(dict.fromkeys(training_warnings(request, params, recipe, store, runs))),
            drop_other_labels=params.protocol.drop_other_labels,
            prune=request.prune,
            curves=request.curves,
        )

    @property
    def note(self) -> str:
        """What must be stated of the features' encoder; nothing where a method learns from pixels alone."""
        return str(self.store.manifest.provenance.get("encoder_note", "")) if self.runs[0].config.uses_encoder else ""

    @property
    def text_note(self) -> str:
        """What must be stated of the text's encoder, where it is another one."""
        return self.text.note if self.text and dict(self.text.encoder) != self.store.encoder["encoder"] else ""

    @property
    def combined_note(self) -> str:
        """What must be stated wherever a number of these heads appears; else empty."""
        return records.joined_notes(self.note, self.text_note)

    @property
    def encoder_saw(self) -> list[str]:
        """The layouts whose train split the encoders of these heads were trained on."""
        if not self.runs[0].config.uses_encoder:
            return []
        layouts = self.store.manifest.provenance.get("encoder_saw", ())  # stores of earlier versions have none
        return sorted({*layouts, *(self.text.saw if self.text else ())})

    @property
    def dataset_in_encoder_training(self) -> bool:
        """Whether an encoder was trained on this dataset's train split: the validation scores are marked, too."""
        return self.store.manifest.dataset.get("layout") in self.encoder_saw

    def notes(self) -> Iterator[str]:
        """Lines for people, before anything is trained."""
        if self.combined_note:
            yield f"note: {self.combined_note}"
        yield from self.warnings
        if self.dataset_in_encoder_training:
            yield f"{self.dataset} {LEGEND}"

    @cached_property
    def rows(self) -> str:
        """Digest of the train and val rows that the heads read: image, box and label of each, in order."""
        return head_rows_digest(self.store, self.classes)

    @property
    def dtype(self) -> str:
        """Of the features on disk."""
        return str(self.store.manifest.key_fields["dtype"])

    def views(self, run: Run) -> int:
        """How many views of a train image the method trains on: 1 is the plain image alone."""
        return n_views(self.store, run)

    def run_key(self, run: Run) -> str:
        """sha256 over everything that makes a head: two runs of one key have the same head on one machine."""
        return sha256_of(
            {
                "key": self.store.key,
                "rows": self.rows,
                "classes": list(self.classes),
                "config": _config_identity(run),
                "seed": run.seed,
                "text_key": self.text.key if self.text else "",
                "method": run.config.method,
                **_method_identity(run.config.method),
            }
        )

    @cached_property
    def _n_rows(self) -> dict[str, int]:
        """How many rows of each split the heads read: usable, with a label among the classes."""
        labels = {split: self.store.labels(split) for split in ("train", "val")}
        return {f"n_{split}": int(np.isin(of, list(self.classes)).sum()) for split, of in labels.items()}

    def plan(self) -> tuple[PlannedRun, ...]:
        """What `train` would train."""
        return tuple(
            PlannedRun(
                folder=run.folder,
                method=run.config.method,
                encoder=self.encoder,
                dataset=self.dataset,
                variant=run.variant,
                seed=run.seed,
                config=run.config.model_dump(),
                run_key=self.run_key(run),
                views=self.views(run),
                dtype=self.dtype,
                note=self.combined_note,
            )
            for run in self.runs
        )

    def result(self, trained: Mapping[Path, records.Run]) -> TrainResult:
        """The result with the records of the runs that are trained, in any order, by their folder."""
        return TrainResult(
            self.plan(),
            tuple(TrainedRun(run.folder, trained[run.folder]) for run in self.runs if run.folder in trained),
            encoder_saw=self.dataset_in_encoder_training,
            note=self.combined_note,
        )

    def train(self, on_progress: OnProgress) -> Iterator[tuple[Run, records.Run]]:
        """Train, write each run folder as its head is finished, and give its record.

        Raises
        ------
        TrainingError
            If numbers of some runs stop being finite, after all others are written: the message names each.
        """
        inputs = TrainingInputs(self.store, self.classes, self.text, self.tower, self.device, self.drop_other_labels)
        jobs = [(run.config, run.seed) for run in self.runs]
        n_finished = 0
        try:
            for i, fitted in load_method(self.runs[0].config.method).fit_many(inputs, jobs, on_progress):
                n_finished += 1
                yield self.runs[i], self._write(self.runs[i], fitted)
        except TrainingError as error:
            if len(jobs) == 1:
                raise
            message = f"{error}\n{n_finished} of {len(jobs)} runs are finished and are kept"
            raise TrainingError(message, remedy=error.remedy, purpose=error.purpose) from error

    def finish(self) -> None:
        """Once all heads are trained, remove the seeds that are not named, and copy the histories."""
        if self.prune:
            _prune([run.folder for run in self.runs if not run.variant])
        if self.curves is not None:
            for run in self.runs:
                history = (run.folder / HISTORY).read_bytes()
                write_bytes(self.curves / run.variant / f"{run.folder.name}.csv", history)

    def _write(self, run: Run, fitted: FitResult) -> records.Run:
        state, description = pack(fitted.head)
        history = _csv(fitted.history)
        record = self._record(run, fitted, description, _sha256(state), _sha256(history))
        # run.json is last, and names the others by their digests: a reader in between, and whoever finds what a killed
        # process left, sees that they are not of one run.
        with exclusive(lock_path(run.folder), SHORT_WAIT_S):
            write_bytes(run.folder / WEIGHTS, state)
            write_bytes(run.folder / HISTORY, history)
            write_bytes(run.folder / RUN, record.as_bytes())
            drop_stale_scores(run.folder, score_source(record))
        return record

    def _record(
        self, run: Run, fitted: FitResult, description: Mapping[str, Any], head_sha256: str, history_sha256: str
    ) -> records.Run:
        own = _method_code(run.config.method)
        return (records.OwnRun if own else records.Run).model_validate(
            {
                "method": run.config.method,
                "variant": run.variant,
                "recipe": self.recipe,
                "encoder": self.encoder,
                "encoder_named": self.encoder_named,
                "encoder_spec": self.encoder_spec,
                "encoder_note": self.note,
                "encoder_saw": self.encoder_saw,
                "text_note": self.text_note,
                "encoder_identity": dict(self.store.encoder),
                "dataset": self.dataset,
                "seed": run.seed,
                "classes": self.classes,
                "config": run.config.model_dump(),
                "key": self.store.key,
                "run_key": self.run_key(run),
                "rows": self.rows,
                "method_version": 1 if own else method_version(run.config.method),
                "is_random": run.config.is_random,
                "views": self.views(run),
                "dtype": self.dtype,
                "text_key": self.text.key if self.text else "",
                "text_encoder": dict(self.text.encoder) if self.text else {},
                "width": self.store.width(),
                "epochs": len(fitted.history),
                "selected_epoch": fitted.selected_epoch,
                "seconds": round(fitted.seconds, 3),
                "together": fitted.ensemble_size,
                "device": self.device,
                **self._n_rows,
                "val": fitted.val.by_metric(),
                "calibration": fitted.calibration.as_json() | {"split": "val"},
                "dropped": dict(fitted.dropped),
                "findings": dict(fitted.diagnostics),
                "versions": versions(),
                "head": dict(description),
                "head_sha256": head_sha256,
                "history_sha256": history_sha256,
                **({"method_code": own} if own else {}),
            }
        )


def _config_identity(run: Run) -> dict[str, Any]:
    """The options of a run, with the content of the file `pretrained` in the place of where it is on this machine."""
    config = run.config.model_dump(mode="json")
    path = Path(config.get("pretrained") or "")
    return config | ({"pretrained": f"sha256:{file_sha256(path)}"} if path.is_file() else {})


def _method_code(name: str) -> dict[str, str]:
    """Where the code of a method is that is no part of the package, and its sha256; empty for all others."""
    return {} if name in METHODS else asdict(own_method(name).origin)


def _method_identity(name: str) -> dict[str, Any]:
    """What makes the heads of a method others: its version, or the content of its file."""
    own = _method_code(name)
    return {"method_sha256": own["sha256"]} if own else {"method_version": method_version(name)}


def _prune(folders: Sequence[Path]) -> None:
    """Remove the runs of other seeds beside `folders`; a folder that is no run, or of a variant, stays."""
    for parent in {folder.parent for folder in folders}:
        for path in sorted(parent.glob("seed-*/run.json")):
            if path.parent not in folders:
                remove_tree(path.parent)
                say(f"{path.parent}: removed, its seed is not among those that are trained")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _csv(history: list[dict[str, float]]) -> bytes:
    names = list(dict.fromkeys(name for row in history for name in row))
    buffer = io.StringIO()
    write = row_writer(buffer)
    write(names)
    for row in history:
        write(row.get(name, "") for name in names)
    return buffer.getvalue().encode()
