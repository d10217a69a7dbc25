"""From a request and params.yaml to the heads that are to be trained: everything is read and checked before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from cache import Store
from cache.features_root import find_store
from cache.keys import sha256_of
from cache.places.links import require_inside
from pipeline import records
from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.torch_encoder import TorchEncoder, require_torch_encoder, resolve_device
from pipeline.footnotes import LEGEND
from pipeline.methods import METHODS
from pipeline.methods.own import own_method, plain_name
from pipeline.predict.head_folder import WEIGHTS
from pipeline.tables.labels import expressions
from pipeline.text_features import TextFeatures
from pipeline.versions import method_version
from stages.params import load_params
from stages.remedies import encoder_written
from stages.requests import TrainRequest
from stages.results import PlannedRun, TrainedRun, TrainResult
from stages.workflows.row_identity import head_rows_digest
from stages.workflows.store_encoder import encoder_of, require_dataset, require_encoder
from stages.workflows.sweep import RunSpec, plan_runs
from stages.workflows.text_vectors import requested_text
from stages.workflows.train_checks import n_views, require_train_rows, require_writable, training_warnings

__all__ = ["TrainPlan", "method_code"]


@dataclass(frozen=True)
class TrainPlan:
    """Some heads of one method on one dataset: everything is read and checked before anything is trained.

    `dataset` is the requested name of the store, whose manifest may have another one. `encoder` is the name of the
    encoder's folder, `encoder_named` what `--encoder` takes for it with this params.yaml, `encoder_spec` what it takes
    with any.
    """

    store: Store
    dataset: str
    encoder: str
    encoder_named: str
    encoder_spec: str
    runs: tuple[RunSpec, ...]
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
        return sorted({*layouts, *(self.text.trained_on if self.text else ())})

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

    def views(self, run: RunSpec) -> int:
        """How many views of a train image the method trains on: 1 is the plain image alone."""
        return n_views(self.store, run)

    def run_key(self, run: RunSpec) -> str:
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
    def n_rows(self) -> dict[str, int]:
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


def _config_identity(run: RunSpec) -> dict[str, Any]:
    """The options of a run, with the content of the file `pretrained` in the place of where it is on this machine."""
    config = run.config.model_dump(mode="json")
    path = Path(config.get("pretrained") or "")
    return config | ({"pretrained": f"sha256:{file_sha256(path)}"} if path.is_file() else {})


def method_code(name: str) -> dict[str, str]:
    """Where the code of a method is that is no part of the package, and its sha256; empty for all others."""
    return {} if name in METHODS else asdict(own_method(name).origin)


def _method_identity(name: str) -> dict[str, Any]:
    """What makes the heads of a method others: its version, or the content of its file."""
    own = method_code(name)
    return {"method_sha256": own["sha256"]} if own else {"method_version": method_version(name)}
