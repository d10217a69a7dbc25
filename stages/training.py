"""What `train` does: a store and a method -> a run folder."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cache import Store
from cache.atomic import write_bytes
from cache.places import Place
from cache.store import find_store
from cache.texts import TextStore, text_path
from pipeline.encoders import EncoderSpec
from pipeline.labels import expressions
from pipeline.methods import load_method
from pipeline.methods.configs import MethodConfig
from pipeline.methods.protocol import Fitted
from pipeline.models.packing import pack
from pipeline.progress import OnProgress
from pipeline.text_features import TextFeatures
from stages.errors import StageError
from stages.identity import versions
from stages.params import load_params, parse_method
from stages.tables import parse_options
from stages.workspace import Workspace

__all__ = ["Training", "read_run"]


@dataclass(frozen=True)
class Training:
    """One run: everything is found and checked before anything is trained."""

    store: Store
    encoder: str
    config: MethodConfig
    classes: tuple[str, ...]
    seed: int
    text: TextFeatures | None
    drop_other_labels: bool
    folder: Path

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From the options of the command and params.yaml."""
        params = load_params(given["params_path"])
        name, spec = params.encoder(given["encoder"] or params.run.encoders[0])
        method = given["method"]
        options = {**params.methods.get(method, {}), **parse_options(given["options"])}
        config = parse_method(method, options)
        store = find_store(given["features"], name, given["dataset"])
        _check_encoder(store, spec)
        prompts = text_path(given["features"], name, given["prompts"] or params.prompts)
        return cls(
            store=store,
            encoder=name,
            config=config,
            classes=expressions(params.classes),
            seed=given["seed"],
            text=_text_for(store, prompts) if config.needs_text else None,
            drop_other_labels=params.protocol.drop_other_labels,
            folder=Workspace(runs=given["runs"]).run(name, method, given["dataset"], given["seed"]),
        )

    @property
    def note(self) -> str:
        return str(self.store.manifest.provenance["encoder_note"])

    def plan(self) -> dict[str, Any]:
        """What `run` would train."""
        return {
            "method": self.config.method,
            "dataset": self.store.dataset,
            "seed": self.seed,
            "config": self.config.model_dump(),
            "path": str(self.folder),
            "note": self.note,
        }

    def run(self, on_progress: OnProgress) -> dict[str, Any]:
        """Train, write the run folder, and return its record."""
        fitted = load_method(self.config.method).fit(
            self.store,
            self.config,
            self.classes,
            self.seed,
            self.text,
            on_progress,
            drop_other_labels=self.drop_other_labels,
        )
        state, description = pack(fitted.head)
        record = self._record(fitted, description)
        (self.folder / "scores.json").unlink(missing_ok=True)  # they are of the head that is replaced
        write_bytes(self.folder / "head.safetensors", state)
        write_bytes(self.folder / "history.csv", _csv(fitted.history))
        write_bytes(self.folder / "run.json", json.dumps(record, indent=2).encode())  # last: a run has a run.json
        return record

    def _record(self, fitted: Fitted, description: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "method": self.config.method,
            "encoder": self.encoder,
            "encoder_note": self.note,
            "encoder_identity": dict(self.store.encoder),
            "dataset": self.store.dataset,
            "seed": self.seed,
            "classes": list(self.classes),
            "config": self.config.model_dump(),
            "key": self.store.key,
            "text_key": self.text.key if self.text else "",
            "width": self.store.width(),
            "epochs": len(fitted.history),
            "selected_epoch": fitted.selected_epoch,
            "seconds": round(fitted.seconds, 3),
            "n_train": len(self.store.labels("train")),
            "n_val": len(self.store.labels("val")),
            "val": {"accuracy": fitted.val.accuracy, "uar": fitted.val.uar},
            "dropped": dict(fitted.dropped),
            "versions": versions(),
            "head": dict(description),
        }


def _check_encoder(store: Store, spec: EncoderSpec) -> None:
    """A name in params.yaml may have come to mean another encoder since the features were made."""
    made_by = store.encoder["encoder"]
    if made_by["architecture"] != spec.architecture:
        raise StageError(
            f"{store.path}: expected features of {spec}, found features of {made_by['architecture']}. "
            f"Run `fer-stage extract --dataset {store.dataset} --encoder {store.path.parent.name}` again"
        )


def _text_for(store: Store, path: Place) -> TextFeatures:
    """The text vectors of the store's own encoder; another encoder's vectors live in another space."""
    texts = TextStore.read(path)
    if dict(texts.encoder) != store.encoder["encoder"]:
        raise StageError(
            f"{path} comes from another encoder than {store.path}. "
            f"Run `fer-stage encode-text --encoder {store.path.parent.name} --prompts {path.stem}` again"
        )
    if not texts.templates:
        raise StageError(
            f"the encoder of {store.path} has no text tower; this method needs one, so use an open_clip encoder"
        )
    return TextFeatures(texts.vectors, texts.classes, texts.templates, texts.encoder, texts.key)


def _csv(history: list[dict[str, float]]) -> bytes:
    names = list(dict.fromkeys(name for row in history for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return buffer.getvalue().encode()


def read_run(folder: Path) -> dict[str, Any]:
    """The record of a trained run.

    Raises
    ------
    StageError
        If there is none, or it is not JSON.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise StageError(f"no trained run at {folder}: expected {path}. Run `fer-stage train` first")
    try:
        return dict(json.loads(path.read_bytes()))
    except ValueError as error:
        raise StageError(f"{path} is damaged ({error}): train it again") from error
