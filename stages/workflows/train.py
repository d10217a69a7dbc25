"""What `train` does: a store and a method -> run folders."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from cache import Store
from cache.atomic import write_bytes
from cache.csv_cells import row_writer
from cache.keys import sha256_of
from cache.links import require_inside
from cache.lock import SHORT_WAIT_S, exclusive, lock_path
from cache.places import remove_tree
from cache.store import find_store
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.torch_encoder import TorchEncoder, resolve_device
from pipeline.errors import TrainingError
from pipeline.methods import load_method
from pipeline.methods.configs.base import MethodConfig
from pipeline.methods.protocol import Fitted, Given
from pipeline.models.packing import pack
from pipeline.progress import OnProgress
from pipeline.saved import HISTORY, RUN, WEIGHTS, note_of
from pipeline.tables.labels import expressions
from pipeline.text_features import TextFeatures
from pipeline.versions import method_version
from stages.advice import encoder_named
from stages.errors import StageError
from stages.output import say
from stages.params import Params, load_params
from stages.recipes import departures
from stages.workflows.row_identity import head_rows_digest
from stages.workflows.scores_file import drop_stale_scores, head_identity
from stages.workflows.store_encoder import encoder_of, require_dataset, require_encoder
from stages.workflows.store_identity import versions
from stages.workflows.sweep import Run, plan_runs, seeds_of
from stages.workflows.tables import parse_options
from stages.workflows.text_vectors import require_text_tower, text_for

__all__ = ["Training"]


@dataclass(frozen=True)
class Training:
    """Some heads of one method on one dataset: everything is found and checked before anything is trained.

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
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From the options of the command and params.yaml."""
        params = load_params(given["params_path"])
        named = given["encoder"] or params.run.encoders[0]
        name, spec = params.encoder(named)
        recipe, options = params.options(given["method"], given["recipe"])
        runs = plan_runs(given, params, name, {**options, **parse_options(given["options"])})
        with encoder_named(name, named):
            store = find_store(given["features"], name, given["dataset"])
            require_encoder(store, spec, params, named)
            require_dataset(store, given["dataset"], params, named)
            _check_rows(store, runs)
        for run in runs:
            require_inside(run.folder / WEIGHTS, given["runs"])
        _check_writable(runs[0].folder)
        device = str(resolve_device(given["device"]))
        needs_encoder = any(run.config.needs_encoder for run in runs)
        return cls(
            store=store,
            dataset=given["dataset"],
            encoder=name,
            encoder_named=named,
            encoder_spec=str(spec),
            runs=runs,
            classes=expressions(params.classes),
            text=_text(given, params, store, named, runs[0].config) if runs[0].config.needs_text else None,
            tower=cast("TorchEncoder", encoder_of(store, params, named, device)) if needs_encoder else None,
            device=device,
            recipe=recipe,
            warnings=tuple(dict.fromkeys((*_warnings(given, params, recipe, runs), *_views_note(store, runs)))),
            drop_other_labels=params.protocol.drop_other_labels,
            prune=given.get("prune", False),
            curves=given.get("curves"),
        )

    @property
    def note(self) -> str:
        """What must be said of the features' encoder; nothing where a method knows only the pixels beside them."""
        return str(self.store.manifest.provenance.get("encoder_note", "")) if self.runs[0].config.uses_encoder else ""

    @property
    def text_note(self) -> str:
        """What must be said of the text's encoder, where it is another one."""
        return self.text.note if self.text and dict(self.text.encoder) != self.store.encoder["encoder"] else ""

    @property
    def said(self) -> str:
        """What must be said wherever a number of these heads appears; else empty."""
        return note_of({"encoder_note": self.note, "text_note": self.text_note})

    @property
    def encoder_saw(self) -> list[str]:
        """The layouts whose train split the encoders were trained on that have a part in the heads."""
        if not self.runs[0].config.uses_encoder:
            return []
        seen = self.store.manifest.provenance.get("encoder_saw", ())  # stores of before have none
        return sorted({*seen, *(self.text.saw if self.text else ())})

    @property
    def in_seen_domain(self) -> bool:
        """Whether an encoder saw the train split of this dataset: then the validation scores have the mark, too."""
        return self.store.manifest.dataset.get("layout") in self.encoder_saw

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
        return _n_views(self.store, run)

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
                "method_version": method_version(run.config.method),
            }
        )

    @cached_property
    def _n_rows(self) -> dict[str, int]:
        """How many rows of each split the heads read: usable, with a label among the classes."""
        labels = {split: self.store.labels(split) for split in ("train", "val")}
        return {f"n_{split}": int(np.isin(of, list(self.classes)).sum()) for split, of in labels.items()}

    def plan(self) -> list[dict[str, Any]]:
        """What `train` would train."""
        return [
            {
                "method": run.config.method,
                "dataset": self.dataset,
                "variant": run.variant,
                "seed": run.seed,
                "config": run.config.model_dump(),
                "run_key": self.run_key(run),
                "views": self.views(run),
                "dtype": self.dtype,
                "path": str(run.folder),
                "note": self.said,
            }
            for run in self.runs
        ]

    def train(self, on_progress: OnProgress) -> Iterator[tuple[Run, dict[str, Any]]]:
        """Train, write each run folder as its head is finished, and give its record.

        Raises
        ------
        TrainingError
            If numbers of some runs stop being finite, after all others are written: the message names each.
        """
        given = Given(self.store, self.classes, self.text, self.tower, self.device, self.drop_other_labels)
        jobs = [(run.config, run.seed) for run in self.runs]
        n_finished = 0
        try:
            for i, fitted in load_method(self.runs[0].config.method).fit_many(given, jobs, on_progress):
                n_finished += 1
                yield self.runs[i], self._write(self.runs[i], fitted)
        except TrainingError as error:
            if len(jobs) == 1:
                raise
            raise TrainingError(f"{error}\n{n_finished} of {len(jobs)} runs are finished and are kept") from error

    def finish(self) -> None:
        """What is due when all heads are trained: seeds that are not named are removed, histories are copied."""
        if self.prune:
            _prune([run.folder for run in self.runs if not run.variant])
        if self.curves is not None:
            for run in self.runs:
                history = (run.folder / HISTORY).read_bytes()
                write_bytes(self.curves / run.variant / f"{run.folder.name}.csv", history)

    def _write(self, run: Run, fitted: Fitted) -> dict[str, Any]:
        state, description = pack(fitted.head)
        history = _csv(fitted.history)
        digests = {"head_sha256": _sha256(state), "history_sha256": _sha256(history)}
        record = self._record(run, fitted, description) | digests
        # run.json is last, and names the others by their digests: a reader in between, and whoever finds what a killed
        # process left, sees that they are not of one run.
        with exclusive(lock_path(run.folder), SHORT_WAIT_S):
            write_bytes(run.folder / WEIGHTS, state)
            write_bytes(run.folder / HISTORY, history)
            write_bytes(run.folder / RUN, json.dumps(record, indent=2).encode())
            drop_stale_scores(run.folder, head_identity(record, digests["head_sha256"]))
        return record

    def _record(self, run: Run, fitted: Fitted, description: Mapping[str, Any]) -> dict[str, Any]:
        return {
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
            "classes": list(self.classes),
            "config": run.config.model_dump(),
            "key": self.store.key,
            "run_key": self.run_key(run),
            "rows": self.rows,
            "method_version": method_version(run.config.method),
            "is_random": run.config.is_random,
            "views": self.views(run),
            "dtype": self.dtype,
            "text_key": self.text.key if self.text else "",
            "text_encoder": dict(self.text.encoder) if self.text else {},
            "width": self.store.width(),
            "epochs": len(fitted.history),
            "selected_epoch": fitted.selected_epoch,
            "seconds": round(fitted.seconds, 3),
            "together": fitted.together,
            "device": self.device,
            **self._n_rows,
            "val": {"accuracy": fitted.val.accuracy, "uar": fitted.val.uar},
            "calibration": fitted.calibration.as_json() | {"split": "val"},
            "dropped": dict(fitted.dropped),
            "findings": dict(fitted.findings),
            "versions": versions(),
            "head": dict(description),
        }


def _text(given: Mapping[str, Any], params: Params, store: Store, named: str, config: MethodConfig) -> TextFeatures:
    own, prompts = store.path.parent.name, given["prompts"] or params.prompts
    require_text_tower(params, given["text"] or named, prompts, store, config)
    encoder, spec = params.encoder(given["text"] or named)
    wanted = params.templates(prompts)
    return text_for(
        given["features"],
        own,
        prompts,
        store,
        encoder if given["text"] else None,
        written=given["text"] or named,
        templates=wanted,
        spec=spec,
    )


def _warnings(given: Mapping[str, Any], params: Params, recipe: str, runs: Sequence[Run]) -> Iterator[str]:
    for run in runs if recipe else ():
        yield from departures(recipe, run.config)
    if not runs[0].config.is_random and len(seeds_of(given, params)) > 1:
        yield f"note: every seed gives the same head of {runs[0].config.method}: seed {runs[0].seed} alone is trained"


def _config_identity(run: Run) -> dict[str, Any]:
    """The options of a run, with the content of the file `pretrained` in the place of where it is on this machine."""
    config = run.config.model_dump(mode="json")
    path = Path(config.get("pretrained") or "")
    return config | ({"pretrained": f"sha256:{file_sha256(path)}"} if path.is_file() else {})


def _prune(folders: Sequence[Path]) -> None:
    """Remove the runs of other seeds beside `folders`; a folder that is no run, or of a variant, stays."""
    for parent in {folder.parent for folder in folders}:
        for path in sorted(parent.glob("seed-*/run.json")):
            if path.parent not in folders:
                remove_tree(path.parent)
                say(f"{path.parent}: removed, its seed is not among those that are trained")


def _n_views(store: Store, run: Run) -> int:
    return store.n_views() if run.config.is_trained and run.config.views == "all" else 1


def _views_note(store: Store, runs: Sequence[Run]) -> Iterator[str]:
    if any(_n_views(store, run) > 1 for run in runs):
        dtype = store.manifest.key_fields["dtype"]
        yield (
            f"note: trained on {store.n_views()} views of every train image (0 is plain, the others are augmented; "
            f"{dtype} features); selected, calibrated and evaluated on view 0"
        )


def _check_rows(store: Store, runs: Sequence[Run]) -> None:
    if not len(store.labels("train")):
        raise StageError(
            f"{store.path}: expected rows of a train split, found none. Leave {store.path.stem} out of run.train in "
            "params.yaml if it is for tests only, or have its layout set a train split apart and index it again"
        )
    for output in {output: None for run in runs for output in run.config.reads}:
        store.row_shape(output)  # says which command makes it, before an encoder is loaded


def _check_writable(folder: Path) -> None:
    """It is written at the end, which may be an hour away."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise StageError(
            f"{nearest}: expected a folder to write runs to, found none that can be written. Name a --runs"
        )


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
