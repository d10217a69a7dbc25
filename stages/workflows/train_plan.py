"""From a request and params.yaml to the heads that are to be trained: everything is read and checked before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cache import Store
from cache.keys import sha256_of
from cache.places.links import require_inside
from pipeline import records
from pipeline.encoders.devices import device_name, require_device
from pipeline.footnotes import LEGEND
from pipeline.learning.evaluation import rows_of_classes
from pipeline.methods.own import plain_name
from pipeline.predict.head_folder import WEIGHTS
from pipeline.tables.fold import Fold
from pipeline.tables.labels import expressions
from pipeline.text_features import TextFeatures
from stages.errors import ParamsError
from stages.params import Params, load_params
from stages.remedies import encoder_written
from stages.requests import TrainRequest
from stages.results import PlannedRun
from stages.workflows.folds import requested_folds
from stages.workflows.head_identity import HeadIdentity
from stages.workflows.opened_stores import OpenedStores
from stages.workflows.run_record import FolderState, folder_state
from stages.workflows.store_encoder import encoder_of, require_dataset, require_encoder
from stages.workflows.sweep import RunSpec, plan_runs
from stages.workflows.text_vectors import requested_text
from stages.workflows.train_checks import require_train_rows, require_writable, training_warnings
from stages.workflows.unit_source import StoredUnits

if TYPE_CHECKING:
    from pipeline.encoders.torch_encoder import TorchEncoder

__all__ = ["TrainPlan", "plans_of"]


def plans_of(
    request: TrainRequest, params: Params | None = None, stores: OpenedStores | None = None
) -> tuple[TrainPlan, ...]:
    """A plan for each dataset of a request, or for those of params.yaml, and for each of its folds: all are checked.

    Parameters
    ----------
    params : what `request.params` holds, where it is read already
    stores : below `request.features`, where some of them are opened already

    Raises
    ------
    ParamsError
        If there is no dataset to train on.
    """
    require_device(request.device)
    params = params or load_params(request.params)
    request = replace(request, method=plain_name(request.method))
    datasets = tuple(dict.fromkeys(request.dataset or params.run.train))
    if not datasets:
        raise ParamsError(f"no dataset to train on: expected --dataset, or names in run.train of {request.params}")
    towers: dict[str, TorchEncoder] = {}
    stores = stores or OpenedStores(request.features)
    return tuple(plan for dataset in datasets for plan in _plans(request, params, dataset, stores, towers))


def _plans(
    request: TrainRequest, params: Params, dataset: str, stores: OpenedStores, towers: dict[str, TorchEncoder]
) -> Iterator[TrainPlan]:
    named = request.encoder or params.run.encoders[0]
    name, spec = params.encoder(named)
    _, options = params.options(request.method, request.recipe)
    plan_runs(request, params, name, dataset, {**options, **request.options})  # what is wrong in a request comes first
    with encoder_written(name, named):
        store = stores.store(name, dataset)
        require_encoder(store, spec, params, named)
        require_dataset(store, dataset, params, named)
    for fold in requested_folds(request, params, dataset, stores.units.folds_of(store)):
        yield TrainPlan.of(request, params, stores.units.of(store, fold), dataset, fold, towers)


@dataclass(frozen=True)
class TrainPlan:
    """Some heads of one method on one dataset: everything is read and checked before anything is trained.

    `dataset` is the requested name of the store, whose manifest may have another one. `encoder` is the name of the
    encoder's folder, `encoder_named` what `--encoder` takes for it with this params.yaml, `encoder_spec` what it takes
    with any. `towers` are the encoders that are loaded, by their identity: those of several plans are one.
    `units` are what is trained on, in the splits of `fold`, or of their table for None; `label_counts` has those of the
    train and val splits by label.
    """

    request: TrainRequest
    params: Params
    units: StoredUnits
    dataset: str
    encoder: str
    encoder_named: str
    encoder_spec: str
    runs: tuple[RunSpec, ...]
    classes: tuple[str, ...]
    text: TextFeatures | None
    recipe: str
    warnings: tuple[str, ...]
    label_counts: Mapping[str, Mapping[str, int]]
    towers: dict[str, TorchEncoder]
    fold: Fold | None = None

    @classmethod
    def of(
        cls,
        request: TrainRequest,
        params: Params,
        units: StoredUnits,
        dataset: str,
        fold: Fold | None,
        towers: dict[str, TorchEncoder],
    ) -> Self:
        """For one dataset of a request, or one fold of it."""
        named = request.encoder or params.run.encoders[0]
        name, spec = params.encoder(named)
        recipe, options = params.options(request.method, request.recipe)
        runs = plan_runs(request, params, name, dataset, {**options, **request.options}, fold)
        classes = expressions(params.classes)
        with encoder_written(name, named):
            warnings = tuple(dict.fromkeys(training_warnings(request, params, recipe, units, runs)))
            runs = tuple(replace(run, config=run.config.of_effect_on(units.unit)) for run in runs)
            require_train_rows(units, runs)
        for run in runs:
            require_inside(run.folder / WEIGHTS, request.runs)
        require_writable(runs[0].folder)
        return cls(
            request=request,
            params=params,
            units=units,
            dataset=dataset,
            encoder=name,
            encoder_named=named,
            encoder_spec=str(spec),
            runs=runs,
            classes=classes,
            text=requested_text(request, params, units.store, named, runs[0].config),
            recipe=recipe,
            warnings=warnings,
            label_counts=_label_counts(units, classes, drop=params.protocol.drop_other_labels),
            towers=towers,
            fold=fold,
        )

    @property
    def store(self) -> Store:
        """Whose units are trained on."""
        return self.units.store

    @cached_property
    def identity(self) -> HeadIdentity:
        """What decides which heads these are."""
        return HeadIdentity(self.units, self.dataset, self.encoder, self.classes, self.text)

    @cached_property
    def states(self) -> Mapping[Path, FolderState]:
        """What is in the folder of each run; with `force` as if there were nothing."""
        return {run.folder: FolderState() if self.request.force else self.state_of(run) for run in self.runs}

    def state_of(self, run: RunSpec) -> FolderState:
        """What is in the folder of a run at this moment."""
        return folder_state(run.folder, self.identity.fields(run), self.statements(), self.store.dataset)

    @cached_property
    def pending(self) -> tuple[RunSpec, ...]:
        """The runs that have to be trained."""
        return tuple(run for run in self.runs if self.states[run.folder].record is None)

    @cached_property
    def device(self) -> str:
        """Where heads are trained."""
        return device_name(self.request.device)

    @cached_property
    def tower(self) -> TorchEncoder | None:
        """The encoder, for heads that are a part of it; loaded only if one of them has to be trained."""
        if not any(run.config.needs_encoder for run in self.pending):
            return None
        from pipeline.encoders.torch_encoder import require_torch_encoder  # late: it brings torch

        if (identity := sha256_of(dict(self.store.encoder))) not in self.towers:
            encoder = encoder_of(self.store, self.params, self.encoder_named, self.device)
            self.towers[identity] = require_torch_encoder(encoder)
        return self.towers[identity]

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
    def n_rows(self) -> dict[str, int]:
        """How many units of each split the heads read: usable, with a label among the classes."""
        counts = self.label_counts.items()
        return {f"n_{split}": sum(of.get(name, 0) for name in self.classes) for split, of in counts}

    @property
    def dropped(self) -> dict[str, int]:
        """Label -> train and val units that are left out because it is not among the classes."""
        counts: Counter[str] = Counter()
        for of_split in self.label_counts.values():
            counts.update({label: n for label, n in of_split.items() if label not in self.classes})
        return dict(sorted(counts.items()))

    def statements(self) -> dict[str, Any]:
        """The fields of run.json that are noted of the request and its inputs, and that change no head."""
        return {
            "recipe": self.recipe,
            "encoder_named": self.encoder_named,
            "encoder_spec": self.encoder_spec,
            "encoder_note": self.note,
            "encoder_saw": self.encoder_saw,
            "text_note": self.text_note,
            **self.n_rows,
            "dropped": self.dropped,
        }

    def planned(self) -> tuple[PlannedRun, ...]:
        """Every run of the plan, with what is in its folder."""
        return tuple(self._planned(run, self.states[run.folder]) for run in self.runs)

    def _planned(self, run: RunSpec, state: FolderState) -> PlannedRun:
        return PlannedRun(
            folder=run.folder,
            method=run.config.method,
            encoder=self.encoder,
            dataset=self.dataset,
            variant=run.variant,
            fold=run.fold.as_json() if run.fold else None,
            seed=run.seed,
            config=run.config.recorded(),
            run_key=self.identity.run_key(run),
            views=self.identity.views(run),
            dtype=self.identity.dtype,
            note=self.combined_note,
            encoder_saw=self.dataset_in_encoder_training,
            is_up_to_date=state.record is not None,
            reason=state.reason,
        )


def _label_counts(units: StoredUnits, classes: tuple[str, ...], *, drop: bool) -> Mapping[str, Mapping[str, int]]:
    """Those of the units; MismatchError if `drop` is False and a label is not among the classes."""
    for split, of_split in units.label_counts.items():
        if not drop and not of_split.keys() <= set(classes):
            rows_of_classes(units.labels(split), classes, f"{units.dataset} {split}", drop=False)  # raises
    return units.label_counts
