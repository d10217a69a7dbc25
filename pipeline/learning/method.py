"""A method: trains heads from a source. Everything is checked here once; what trains trusts its inputs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch

from pipeline.errors import ConfigError, MismatchError, TrainingError
from pipeline.learning.calibration import Calibration
from pipeline.learning.concurrency import concurrently
from pipeline.learning.head import Head
from pipeline.learning.learner import History, TrainResult
from pipeline.learning.metrics import Scores, score
from pipeline.learning.options import MethodConfig
from pipeline.learning.split_loader import SplitLoader, TrainingData
from pipeline.learning.task import Train, TrainingTask
from pipeline.progress import OnProgress, silent

if TYPE_CHECKING:
    from pipeline.encoders.torch_encoder import TorchEncoder
    from pipeline.features import FeatureSource
    from pipeline.text_features import TextFeatures

__all__ = ["FitResult", "Method", "TrainingInputs"]

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
    """

    source: FeatureSource
    classes: tuple[str, ...]
    text: TextFeatures | None = None
    encoder: TorchEncoder | None = None
    device: str = "cpu"
    drop_other_labels: bool = False


@dataclass(frozen=True)
class Method(Generic[C]):
    """A way to train a head: its options, and the function that trains from checked tasks."""

    config_class: type[C]
    train: Train[C]

    @property
    def name(self) -> str:
        """What params.yaml and the command line call it."""
        return self.config_class.method

    def fit(self, inputs: TrainingInputs, config: C, seed: int, on_progress: OnProgress = silent) -> FitResult:
        """Train one head: see `fit_many`."""
        return next(self.fit_many(inputs, [(config, seed)], on_progress))[1]

    def fit_many(
        self, inputs: TrainingInputs, runs: Sequence[tuple[C, int]], on_progress: OnProgress = silent
    ) -> Iterator[tuple[int, FitResult]]:
        """Train heads on the train split, select each on the val split, and read no other split.

        The features are read once. Where the method `can_ensemble`, runs that differ in the seed and in weights of loss
        terms only are trained as one ensemble, with the results of each alone within rounding.

        Parameters
        ----------
        inputs : TrainingInputs
        runs : options and seed (int >= 0) of each head; one seed gives one head on one machine
        on_progress : called after every epoch

        Returns
        -------
        position in `runs` and FitResult, as heads are finished

        Raises
        ------
        ConfigError
            If options, classes, text or encoder do not suit the method.
        MismatchError
            If a split holds other labels, the text lacks a class, or the encoder is not the source's.
        TrainingError
            At once, if a split has no rows, train has one class only, or a feature cannot be used. After all others
            are yielded, if numbers of some heads stopped being finite: the message has for each of these its seed, the
            options that set it apart, the epoch, and what was not finite.
        """
        for config, _ in runs:
            self._check(inputs, config)
        loader = SplitLoader(inputs.source, inputs.classes, drop=inputs.drop_other_labels)
        light = inputs.device == "cpu" and all(config.can_ensemble for config, _ in runs)
        n_threads = (os.cpu_count() or 1) if light else 1
        ensembles = self._ensembles(runs, n_threads)
        tasks = [
            partial(self._fit_ensemble, inputs, loader, [(i, *runs[i]) for i in positions]) for positions in ensembles
        ]
        failures: dict[int, TrainingError] = {}
        for outcomes in concurrently(tasks, on_progress, min(n_threads, len(tasks))):
            for i, outcome in outcomes:
                if isinstance(outcome, TrainingError):
                    failures[i] = outcome
                else:
                    yield i, outcome
        if failures:
            raise TrainingError(self._failed(runs, failures))

    def _failed(self, runs: Sequence[tuple[C, int]], failures: Mapping[int, TrainingError]) -> str:
        """Which heads could not be trained, and why: `feature-mask, lr=1e+30, seed 0: epoch 1, ...`."""
        options = [config.model_dump() for config, _ in runs]
        varied = [name for name in options[0] if any(other[name] != options[0][name] for other in options)]
        lines = [
            ", ".join([self.name, *(f"{name}={options[i][name]}" for name in varied), f"seed {runs[i][1]}"])
            + f": {failures[i]}"
            for i in sorted(failures)
        ]
        return lines[0] if len(lines) == 1 else "\n".join([f"{len(lines)} heads could not be trained", *lines])

    def _fit_ensemble(
        self, inputs: TrainingInputs, loader: SplitLoader, runs: Sequence[tuple[int, C, int]], on_progress: OnProgress
    ) -> list[tuple[int, FitResult | TrainingError]]:
        data, dropped = loader.load(runs[0][1])
        tasks = [(self._task(inputs, data, config, seed, on_progress), config) for _, config, seed in runs]
        started = time.perf_counter()
        try:
            trained = self.train(tasks)
        except TrainingError as error:  # of what comes before the common loop, such as a first stage
            trained = [error] * len(runs)
        seconds = (time.perf_counter() - started) / len(runs)
        results = [
            one if isinstance(one, TrainingError) else _fit_result(one, data, inputs.classes, seconds, dropped)
            for one in trained
        ]
        return [(i, result) for (i, _, _), result in zip(runs, results, strict=True)]

    def _ensembles(self, runs: Sequence[tuple[C, int]], n_threads: int) -> list[list[int]]:
        """Positions of runs that are trained as one ensemble, in the order of the first of each."""
        alike: dict[str | int, list[int]] = {}
        for i, (config, _) in enumerate(runs):
            key = config.model_dump_json(exclude=set(config.loss_weight_options)) if config.can_ensemble else i
            alike.setdefault(key, []).append(i)
        return [part for positions in alike.values() for part in _parts(positions, n_threads)]

    def _task(
        self, inputs: TrainingInputs, data: TrainingData, config: C, seed: int, on_progress: OnProgress
    ) -> TrainingTask:
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

    def _check(self, inputs: TrainingInputs, config: C) -> None:
        classes = inputs.classes
        if not isinstance(config, self.config_class):
            found = type(config).__name__
            raise ConfigError(f"{self.name}: expected options of {self.config_class.__name__}, found {found}")
        if len(classes) < 2 or len(set(classes)) < len(classes):
            raise ConfigError(
                f"{self.name}: expected two or more different classes, found {', '.join(classes) or 'none'}"
            )
        if config.needs_text and inputs.text is None:
            raise ConfigError(f"{self.name}: expected text features, found none", remedy=[("encode-text", {})])
        if config.needs_encoder:
            self._check_encoder(inputs)

    def _check_encoder(self, inputs: TrainingInputs) -> None:
        if inputs.encoder is None:
            raise ConfigError(f"{self.name}: expected the encoder of the features, found none. Load it and pass it on")
        if (expected := inputs.source.encoder.get("encoder")) != inputs.encoder.identity:
            raise MismatchError(
                f"{self.name}: expected the encoder of the features, {expected}, "
                f"found {dict(inputs.encoder.identity)}. Load that one, or extract the features again"
            )


def _parts(positions: list[int], n_threads: int) -> list[list[int]]:
    """An ensemble cut so that every thread gets a part."""
    size = -(-len(positions) // n_threads)
    return [positions[start : start + size] for start in range(0, len(positions), size)]


def _fit_result(
    trained: TrainResult,
    data: TrainingData,
    classes: tuple[str, ...],
    seconds: float,
    dropped: Mapping[str, int],
) -> FitResult:
    head = trained.head.to("cpu")
    logits, labels = head.predict(data.val.plain), data.val.labels.numpy()
    has_rows = np.bincount(data.train.labels.numpy(), minlength=len(classes)) > 0
    calibration = Calibration.fit(logits, labels, has_rows)
    untrained = [name for name, has in zip(classes, has_rows, strict=True) if not has]
    return FitResult(
        head=head,
        history=trained.history,
        selected_epoch=trained.selected_epoch,
        seconds=seconds,
        ensemble_size=trained.ensemble_size,
        val=score(logits, np.array(classes)[labels], classes, calibration.temperature),
        calibration=calibration,
        dropped=dropped,
        diagnostics={**trained.diagnostics, **({"no_train_rows": untrained} if untrained else {})},
    )
