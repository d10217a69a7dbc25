"""One group of heads: what they are trained from, read once, and the tasks that train them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch

from pipeline.cores import n_cores
from pipeline.errors import PipelineError, TrainingError
from pipeline.learning.calibration import Calibration
from pipeline.learning.class_balance import class_balance
from pipeline.learning.head import Head
from pipeline.learning.learner import History, TrainResult
from pipeline.learning.metrics import Scores, score
from pipeline.learning.options import MethodConfig
from pipeline.learning.rows import TrainingData
from pipeline.learning.split_loader import SplitLoader
from pipeline.learning.task import Train, TrainingTask
from pipeline.progress import OnProgress

if TYPE_CHECKING:
    from pipeline.encoders.torch_encoder import TorchEncoder
    from pipeline.sources import FeatureSource
    from pipeline.text_features import TextFeatures

__all__ = ["FitResult", "Group", "Outcome", "TrainingInputs", "UnreadableSplit"]

C = TypeVar("C", bound=MethodConfig)


@dataclass(frozen=True)
class FitResult:
    """One trained head, and how it came about.

    Parameters
    ----------
    head : with the weights of `selected_epoch`, on the CPU
    history : one record per epoch (or step of a search), every value a float
    selected_epoch : counted from 1
    seconds : of training, without reading the features; an equal share of those of an ensemble
    ensemble_size : how many heads were trained as one batch of networks, this one included
    val : scores on the validation split, whose best epoch this is: optimistic by construction
    calibration : temperature of the head, fitted on validation rows of the classes that the train split has
    dropped : label -> train and val rows left out because it is not among the classes
    diagnostics : what else is to be known of the training, plain JSON data; `no_train_rows` names classes without a
        row in the train split
    """

    head: Head
    history: History
    selected_epoch: int
    seconds: float
    ensemble_size: int
    val: Scores
    calibration: Calibration
    dropped: Mapping[str, int]
    diagnostics: Mapping[str, Any]


@dataclass(frozen=True)
class TrainingInputs:
    """What heads are trained from.

    Parameters
    ----------
    source : of which the train and val splits are read, and no other
    classes : C canonical expressions; the train split may lack some
    text : for methods that need it
    encoder : the frozen encoder of the source, for methods that need it
    device : where heads are trained
    drop_other_labels : leave rows out whose label is not among `classes`, and count them
    part : which part of its dataset the source is, such as a fold, for messages
    """

    source: FeatureSource
    classes: tuple[str, ...]
    text: TextFeatures | None = None
    encoder: TorchEncoder | None = None
    device: str = "cpu"
    drop_other_labels: bool = False
    part: str = ""

    @property
    def name(self) -> str:
        """Of what heads are trained on, for messages."""
        return f"{self.source.dataset} {self.part}".rstrip()


@dataclass(frozen=True)
class UnreadableSplit:
    """Why no head of a group could be trained: what it would learn from cannot be used."""

    error: PipelineError


Outcome = FitResult | TrainingError | UnreadableSplit
Outcomes = list[tuple[int, Outcome]]  # position of a run, and what came of it


@dataclass
class Group(Generic[C]):
    """Heads that are trained from the same inputs.

    Parameters
    ----------
    inputs : TrainingInputs
    runs : options and seed of each head
    train : of the method
    """

    inputs: TrainingInputs
    runs: Sequence[tuple[C, int]]
    train: Train[C]
    loader: SplitLoader = field(init=False)
    ensembles: list[list[int]] = field(init=False)
    _n_unfinished: int = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        inputs = self.inputs
        self.loader = SplitLoader(inputs.source, inputs.classes, drop=inputs.drop_other_labels)
        self.ensembles = self._ensembles()
        self._n_unfinished = len(self.ensembles)

    def _ensembles(self) -> list[list[int]]:
        """Positions of runs that are trained as one ensemble, in the order of the first of each.

        They depend on the runs and the cores alone, as rounding does on them.
        """
        light = self.inputs.device == "cpu" and all(config.can_ensemble for config, _ in self.runs)
        n_parts = n_cores() if light else 1
        alike: dict[str | int, list[int]] = {}
        for i, (config, _) in enumerate(self.runs):
            key = config.model_dump_json(exclude=set(config.loss_weight_options)) if config.can_ensemble else i
            alike.setdefault(key, []).append(i)
        return [part for positions in alike.values() for part in _parts(positions, n_parts)]

    def tasks(self, *, large: bool) -> Iterator[Callable[[OnProgress], Outcomes]]:
        """A task for each ensemble of large heads, or of the others."""
        n_parameters = self._encoder_parameters()
        for positions in self.ensembles:
            if self.runs[positions[0]][0].is_large(n_parameters) == large:
                yield partial(self._fit, positions)

    def _encoder_parameters(self) -> int:
        encoder = self.inputs.encoder
        return sum(value.numel() for value in encoder.tower.parameters()) if encoder else 0

    def _fit(self, positions: Sequence[int], on_progress: OnProgress) -> Outcomes:
        try:
            return list(zip(positions, self._outcomes([self.runs[i] for i in positions], on_progress), strict=True))
        finally:
            self._release()

    def _release(self) -> None:
        """After the last ensemble nothing keeps the features in memory."""
        with self._lock:
            self._n_unfinished -= 1
            if not self._n_unfinished:
                self.loader.release()

    def _outcomes(self, runs: Sequence[tuple[C, int]], on_progress: OnProgress) -> Sequence[Outcome]:
        try:
            data, dropped = self.loader.load(runs[0][0])
        except PipelineError as error:
            return [UnreadableSplit(error)] * len(runs)
        tasks = [(self._task(data, config, seed, on_progress), config) for config, seed in runs]
        started = time.perf_counter()
        try:
            trained = self.train(tasks)
        except TrainingError as error:  # of what comes before the common loop, such as a first stage
            trained = [error] * len(runs)
        seconds = (time.perf_counter() - started) / len(runs)
        return [
            one
            if isinstance(one, TrainingError)
            else _fit_result(one, data, self.inputs.classes, config, seconds, dropped)
            for one, (config, _) in zip(trained, runs, strict=True)
        ]

    def _task(self, data: TrainingData, config: C, seed: int, on_progress: OnProgress) -> TrainingTask:
        inputs = self.inputs
        return TrainingTask(
            data=data,
            classes=inputs.classes,
            encoder_identity=inputs.source.encoder,
            dataset=inputs.source.dataset,
            text=inputs.text.for_classes(inputs.classes) if inputs.text and config.needs_text else None,
            encoder=inputs.encoder if config.needs_encoder else None,
            rng=torch.Generator().manual_seed(seed),
            device=torch.device(inputs.device),
            on_progress=on_progress,
        )


def _parts(positions: list[int], n_threads: int) -> list[list[int]]:
    """An ensemble cut so that every thread gets a part."""
    size = -(-len(positions) // n_threads)
    return [positions[start : start + size] for start in range(0, len(positions), size)]


def _fit_result(
    trained: TrainResult,
    data: TrainingData,
    classes: tuple[str, ...],
    config: MethodConfig,
    seconds: float,
    dropped: Mapping[str, int],
) -> FitResult:
    head = trained.head.to("cpu")
    logits, labels = head.predict(data.val.plain), data.val.labels.numpy()
    has_rows = np.bincount(data.train.labels.numpy(), minlength=len(classes)) > 0
    calibration = Calibration.fit(logits, labels, has_rows)
    untrained = [name for name, has in zip(classes, has_rows, strict=True) if not has]
    balance = class_balance(data.train.labels, classes, config)
    return FitResult(
        head=head,
        history=trained.history,
        selected_epoch=trained.selected_epoch,
        seconds=seconds,
        ensemble_size=trained.ensemble_size,
        val=score(logits, np.array(classes)[labels], classes, calibration.temperature),
        calibration=calibration,
        dropped=dropped,
        diagnostics={**trained.diagnostics, **({"no_train_rows": untrained} if untrained else {}), **balance},
    )
