"""What one head is trained from, checked and loaded, and the two ways in which methods train."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from pipeline.errors import TrainingError
from pipeline.learning.class_balance import balanced_weights
from pipeline.learning.head import Head
from pipeline.learning.learner import Learner, TrainingSettings, TrainResult
from pipeline.learning.loop import train_ensemble
from pipeline.learning.options import MethodConfig
from pipeline.learning.rows import TrainingData
from pipeline.learning.spec import HeadSpec, ScaleKind
from pipeline.progress import CombinedProgress, OnProgress
from pipeline.text_features import TextFeatures

if TYPE_CHECKING:
    from pipeline.encoders.torch_encoder import TorchEncoder

__all__ = ["Train", "TrainingTask", "cross_entropy_weights", "train_by_loop", "train_separately"]

C = TypeVar("C", bound=MethodConfig)

# Parameters of one ensemble. What does not fit into a core's cache is faster one after the other: 262 k a head
# (feature-mask on 512 channels) gain up to a third, 655 k (on 1280) lose as much.
_MAX_ENSEMBLE_PARAMETERS = 1_200_000


@dataclass(frozen=True)
class TrainingTask:
    """All that a method may use to train one head: two splits, text, encoder, the one source of randomness.

    Parameters
    ----------
    data : the train and val splits
    classes : C canonical expressions, the order of the logits
    encoder_identity : of the encoder whose features the splits hold, plain JSON data
    dataset : what the head is trained on
    text : of the classes, where the method needs it
    encoder : the frozen encoder itself, where the method needs it
    rng : draws initial weights, order, views and augmentations
    device : where the head is trained
    on_progress : called after every epoch
    """

    data: TrainingData
    classes: tuple[str, ...]
    encoder_identity: Mapping[str, Any]
    dataset: str
    text: TextFeatures | None
    encoder: TorchEncoder | None
    rng: torch.Generator
    device: torch.device
    on_progress: OnProgress

    def spec(
        self,
        head_class: type[Head],
        scale: ScaleKind = "raw",
        options: Mapping[str, Any] | None = None,
        reads: Sequence[str] = ("pooled",),
    ) -> HeadSpec:
        """The spec of a head of `head_class` for this task that reads the outputs `reads`."""
        inputs = {name: self.data.train.shape(name) for name in reads}
        kind, encoder = head_class.kind, self.encoder_identity
        sampler = self.data.train.sampler
        clip_frames = sampler.n_frames if sampler else None
        return HeadSpec(kind, self.classes, inputs, encoder, self.dataset, scale, options or {}, clip_frames)

    def initialize(self, head: Head) -> None:
        """Draw the head's initial weights, fit its feature scale to all of the train split, move it to the device."""
        head.reset(self.rng)
        if head.spec.scale == "standard":
            head.scale.fit_columns(self.data.train.column_blocks(head.spec.scaled_input or "pooled"))
        head.to(self.device)


Tasks = Sequence[tuple[TrainingTask, C]]
Train = Callable[[Tasks[C]], list[TrainResult | TrainingError]]  # an error is that of one task, others have their heads


def train_by_loop(prepare: Callable[[TrainingTask, C], tuple[Learner, TrainingSettings]]) -> Train[C]:
    """Train by the common loop, several tasks as one ensemble. `prepare` makes the learner and settings of each."""

    def train(tasks: Tasks[C]) -> list[TrainResult | TrainingError]:
        first = tasks[0][0]
        prepared = [_prepared(prepare, task, config) for task, config in tasks]
        rngs = [task.rng for task, _ in tasks]
        results: list[TrainResult | TrainingError] = []
        size = max(1, _MAX_ENSEMBLE_PARAMETERS // sum(value.numel() for value in prepared[0][0].parameters()))
        starts = range(0, len(tasks), size)
        combined = CombinedProgress(len(starts), first.on_progress)
        for i, start in enumerate(starts):
            part = slice(start, start + size)
            learners = [learner for learner, _ in prepared[part]]
            results += train_ensemble(learners, first.data, prepared[start][1], rngs[part], combined.of(i))
        return results

    return train


def _prepared(
    prepare: Callable[[TrainingTask, C], tuple[Learner, TrainingSettings]], task: TrainingTask, config: C
) -> tuple[Learner, TrainingSettings]:
    learner, settings = prepare(task, config)
    learner.class_weights_of_loss = cross_entropy_weights(task, config)
    return learner, settings


def cross_entropy_weights(task: TrainingTask, config: MethodConfig) -> Tensor | None:
    """The weights of the classes in a classifier's cross-entropy, float32 (C,); None where all count alike."""
    if not config.weighs_classes:
        return None
    return balanced_weights(task.data.train.labels, len(task.classes)).to(task.device)


def train_separately(train_one: Callable[[TrainingTask, C], TrainResult]) -> Train[C]:
    """Train by the method's own means, one task after another."""

    def train(tasks: Tasks[C]) -> list[TrainResult | TrainingError]:
        return [_result_or_error(train_one, task, config) for task, config in tasks]

    return train


def _result_or_error(
    train_one: Callable[[TrainingTask, C], TrainResult], task: TrainingTask, config: C
) -> TrainResult | TrainingError:
    try:
        return train_one(task, config)
    except TrainingError as error:
        return error
