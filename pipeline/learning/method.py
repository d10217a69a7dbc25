"""What a method is given, and what it gives back. Everything is checked here once; methods trust what they get."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch

from pipeline.errors import ConfigError, MismatchError, TrainingError
from pipeline.learning.calibration import Calibration
from pipeline.learning.concurrency import concurrently
from pipeline.learning.head import Head
from pipeline.learning.learner import History, Learner, Recipe, Trained
from pipeline.learning.loop import train_together
from pipeline.learning.metrics import Scores, score
from pipeline.learning.options import MethodConfig
from pipeline.learning.spec import HeadSpec
from pipeline.learning.split_loader import Reader, TrainingData
from pipeline.progress import Combined, OnProgress, silent

if TYPE_CHECKING:
    from pipeline.encoders.torch_encoder import TorchEncoder
    from pipeline.features import FeatureSource
    from pipeline.learning.spec import ScaleKind
    from pipeline.text_features import TextFeatures

__all__ = ["Fitted", "Given", "Method", "Setup", "by_loop", "each_alone"]

C = TypeVar("C", bound=MethodConfig)

# Parameters of one stack. What does not fit into a core's cache together is faster one after the other: 262 k a head
# (feature-mask on 512 channels) gain up to a third, 655 k (on 1280) lose as much.
_MAX_STACKED_VALUES = 1_200_000


@dataclass(frozen=True)
class Fitted:
    """One trained head, and how it came about.

    Parameters
    ----------
    head : with the weights of `selected_epoch`, on the CPU
    history : one record per epoch (or step of a search), every value a float
    selected_epoch : counted from 1
    seconds : of training, without reading the features; an equal share where several were trained together
    together : how many heads were trained as one batch, this one included
    val : scores on the validation split, whose best epoch this is: optimistic by construction
    calibration : temperature of the head, fitted on validation rows of the classes that the train split has
    dropped : label -> train and val rows left out because it is not among the classes
    findings : what else the method found out, plain JSON data; `no_train_rows` names classes that train has no row of
    """

    head: Head
    history: History
    selected_epoch: int
    seconds: float
    together: int
    val: Scores
    calibration: Calibration
    dropped: Mapping[str, int]
    findings: Mapping[str, Any]


@dataclass(frozen=True)
class Given:
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
class Setup:
    """All that a method may use: two splits, the text and the encoder it asked for, the one source of randomness."""

    data: TrainingData
    classes: tuple[str, ...]
    encoder: Mapping[str, Any]
    dataset: str
    text: TextFeatures | None
    tower: TorchEncoder | None
    rng: torch.Generator
    device: torch.device
    on_progress: OnProgress

    def spec(
        self,
        kind: str,
        scale: ScaleKind = "raw",
        options: Mapping[str, Any] | None = None,
        reads: Sequence[str] = ("pooled",),
    ) -> HeadSpec:
        """The spec of a head for this setup that reads the outputs `reads`."""
        inputs = {name: self.data.train.shape(name) for name in reads}
        return HeadSpec(kind, self.classes, inputs, self.encoder, self.dataset, scale, options or {})

    def start(self, head: Head) -> None:
        """Draw the head's first weights, fit its feature scale to all of the train split, move it to the device."""
        head.reset(self.rng)
        if head.spec.scale == "standard":
            head.scale.fit(self.data.train.features())
        head.to(self.device)


Jobs = Sequence[tuple[Setup, C]]
Learn = Callable[[Jobs[C]], list[Trained | TrainingError]]  # an error is that of one job: the others have their heads


def by_loop(prepare: Callable[[Setup, C], tuple[Learner, Recipe]]) -> Learn[C]:
    """Train by the common loop: several jobs as one batch of networks. `prepare` makes each its learner and recipe."""

    def learn(jobs: Jobs[C]) -> list[Trained | TrainingError]:
        first = jobs[0][0]
        prepared = [prepare(setup, config) for setup, config in jobs]
        rngs = [setup.rng for setup, _ in jobs]
        trained: list[Trained | TrainingError] = []
        size = max(1, _MAX_STACKED_VALUES // sum(value.numel() for value in prepared[0][0].parameters()))
        starts = range(0, len(jobs), size)
        combined = Combined(len(starts), first.on_progress)
        for i, start in enumerate(starts):
            part = slice(start, start + size)
            learners = [learner for learner, _ in prepared[part]]
            trained += train_together(learners, first.data, prepared[start][1], rngs[part], combined.of(i))
        return trained

    return learn


def each_alone(learn_one: Callable[[Setup, C], Trained]) -> Learn[C]:
    """Train by the method's own means, one job after another."""

    def learn(jobs: Jobs[C]) -> list[Trained | TrainingError]:
        return [_or_error(learn_one, setup, config) for setup, config in jobs]

    return learn


def _or_error(learn_one: Callable[[Setup, C], Trained], setup: Setup, config: C) -> Trained | TrainingError:
    try:
        return learn_one(setup, config)
    except TrainingError as error:
        return error


@dataclass(frozen=True)
class Method(Generic[C]):
    """A way to train a head: its options, and the function that trains from checked Setups."""

    config_class: type[C]
    learn: Learn[C]

    @property
    def name(self) -> str:
        """What params.yaml and the command line call it."""
        return self.config_class.method

    def fit(self, given: Given, config: C, seed: int, on_progress: OnProgress = silent) -> Fitted:
        """Train one head: see `fit_many`."""
        return next(self.fit_many(given, [(config, seed)], on_progress))[1]

    def fit_many(
        self, given: Given, jobs: Sequence[tuple[C, int]], on_progress: OnProgress = silent
    ) -> Iterator[tuple[int, Fitted]]:
        """Train heads on the train split, select each on the val split, and read no other split.

        The features are read once. Where the method is stackable, jobs that differ in the seed and in factors of loss
        terms only are trained as one batch, with the results of each alone within rounding.

        Parameters
        ----------
        given : Given
        jobs : options and seed (int >= 0) of each head; one seed gives one head on one machine
        on_progress : called after every epoch

        Returns
        -------
        position in `jobs` and Fitted, as heads are finished

        Raises
        ------
        ConfigError
            If options, classes, text or encoder do not suit the method.
        MismatchError
            If a split holds other labels, the text lacks a class, or the encoder is not the source's.
        TrainingError
            At once, if a split has no rows, train has one class only, or a feature cannot be used. After all others
            are given, if numbers of some heads stopped being finite: the message has for each of these its seed, the
            options that set it apart, the epoch, and what was not finite.
        """
        for config, _ in jobs:
            self._check(given, config)
        reader = Reader(given.source, given.classes, drop=given.drop_other_labels)
        light = given.device == "cpu" and all(config.stackable for config, _ in jobs)
        side_by_side = (os.cpu_count() or 1) if light else 1
        stacks = self._stacks(jobs, side_by_side)
        tasks = [partial(self._fit_stack, given, reader, [(i, *jobs[i]) for i in stack]) for stack in stacks]
        failures: dict[int, TrainingError] = {}
        for outcomes in concurrently(tasks, on_progress, min(side_by_side, len(tasks))):
            for i, outcome in outcomes:
                if isinstance(outcome, TrainingError):
                    failures[i] = outcome
                else:
                    yield i, outcome
        if failures:
            raise TrainingError(self._failed(jobs, failures))

    def _failed(self, jobs: Sequence[tuple[C, int]], failures: Mapping[int, TrainingError]) -> str:
        """Which heads could not be trained, and why: `feature-mask, lr=1e+30, seed 0: epoch 1, ...`."""
        options = [config.model_dump() for config, _ in jobs]
        varied = [name for name in options[0] if any(other[name] != options[0][name] for other in options)]
        lines = [
            ", ".join([self.name, *(f"{name}={options[i][name]}" for name in varied), f"seed {jobs[i][1]}"])
            + f": {failures[i]}"
            for i in sorted(failures)
        ]
        return lines[0] if len(lines) == 1 else "\n".join([f"{len(lines)} heads could not be trained", *lines])

    def _fit_stack(
        self, given: Given, reader: Reader, jobs: Sequence[tuple[int, C, int]], on_progress: OnProgress
    ) -> list[tuple[int, Fitted | TrainingError]]:
        data, dropped = reader.read(jobs[0][1])
        setups = [(self._setup(given, data, config, seed, on_progress), config) for _, config, seed in jobs]
        started = time.perf_counter()
        try:
            trained = self.learn(setups)
        except TrainingError as error:  # of what comes before the common loop, such as a first stage
            trained = [error] * len(jobs)
        seconds = (time.perf_counter() - started) / len(jobs)
        results = [
            one if isinstance(one, TrainingError) else _fitted(one, data, given.classes, seconds, dropped)
            for one in trained
        ]
        return [(i, result) for (i, _, _), result in zip(jobs, results, strict=True)]

    def _stacks(self, jobs: Sequence[tuple[C, int]], side_by_side: int) -> list[list[int]]:
        """Positions of jobs that are trained as one batch, in the order of the first of each."""
        stacks: dict[str | int, list[int]] = {}
        for i, (config, _) in enumerate(jobs):
            together = config.model_dump_json(exclude=set(config.factors)) if config.stackable else i
            stacks.setdefault(together, []).append(i)
        return [part for stack in stacks.values() for part in _parts(stack, side_by_side)]

    def _setup(self, given: Given, data: TrainingData, config: C, seed: int, on_progress: OnProgress) -> Setup:
        return Setup(
            data=data,
            classes=given.classes,
            encoder=given.source.encoder,
            dataset=given.source.dataset,
            text=given.text.for_classes(given.classes) if given.text and config.needs_text else None,
            tower=given.encoder if config.needs_encoder else None,
            rng=torch.Generator().manual_seed(seed),
            device=torch.device(given.device),
            on_progress=on_progress,
        )

    def _check(self, given: Given, config: C) -> None:
        classes = given.classes
        if not isinstance(config, self.config_class):
            found = type(config).__name__
            raise ConfigError(f"{self.name}: expected options of {self.config_class.__name__}, found {found}")
        if len(classes) < 2 or len(set(classes)) < len(classes):
            raise ConfigError(
                f"{self.name}: expected two or more different classes, found {', '.join(classes) or 'none'}"
            )
        if config.needs_text and given.text is None:
            raise ConfigError(f"{self.name}: expected text features, found none. Run: fer-stage encode-text")
        if config.needs_encoder:
            self._check_encoder(given)

    def _check_encoder(self, given: Given) -> None:
        if given.encoder is None:
            raise ConfigError(f"{self.name}: expected the encoder of the features, found none. Load it and give it")
        if (expected := given.source.encoder.get("encoder")) != given.encoder.identity:
            raise MismatchError(
                f"{self.name}: expected the encoder of the features, {expected}, "
                f"found {dict(given.encoder.identity)}. Load that one, or extract the features again"
            )


def _parts(stack: list[int], side_by_side: int) -> list[list[int]]:
    """A stack cut so that every core gets a part."""
    size = -(-len(stack) // side_by_side)
    return [stack[start : start + size] for start in range(0, len(stack), size)]


def _fitted(
    trained: Trained,
    data: TrainingData,
    classes: tuple[str, ...],
    seconds: float,
    dropped: Mapping[str, int],
) -> Fitted:
    head = trained.head.to("cpu")
    logits, labels = head.predict(data.val.plain), data.val.labels.numpy()
    has_rows = np.bincount(data.train.labels.numpy(), minlength=len(classes)) > 0
    calibration = Calibration.fit(logits, labels, has_rows)
    untrained = [name for name, has in zip(classes, has_rows, strict=True) if not has]
    return Fitted(
        head=head,
        history=trained.history,
        selected_epoch=trained.selected_epoch,
        seconds=seconds,
        together=trained.together,
        val=score(logits, np.array(classes)[labels], classes, calibration.temperature),
        calibration=calibration,
        dropped=dropped,
        findings={**trained.findings, **({"no_train_rows": untrained} if untrained else {})},
    )
