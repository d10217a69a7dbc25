"""What is trained, on what, and how: a method makes a Learner and TrainingSettings, the loop knows no method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.learning.head import Head, Inputs
from pipeline.learning.options import SelectBy

__all__ = ["Batch", "History", "Learner", "TrainResult", "TrainingSettings"]

History = list[dict[str, float]]


@dataclass(frozen=True)
class Batch:
    """What one step learns from.

    Parameters
    ----------
    inputs : output -> (B, *row_shape): features float32, pixels uint8; raw, as stored
    labels : int64 in [0, C), shape (B,)
    rows : int64, shape (B,): positions in the train split
    epoch : counted from 1
    noise : what `Learner.draw` drew for this step
    soft_labels : float32, shape (B, C): the share of each class, for methods that learn from it
    """

    inputs: Inputs
    labels: Tensor
    rows: Tensor
    epoch: int = 1
    noise: Mapping[str, Tensor] = field(default_factory=dict)
    soft_labels: Tensor | None = None

    @property
    def targets(self) -> Tensor:
        """Of a cross-entropy: soft labels where there are any, else labels."""
        return self.labels if self.soft_labels is None else self.soft_labels


class Learner(nn.Module, ABC):
    """A head, and whatever else is trained with it and discarded afterwards.

    `loss_weights` names every loss term and its weight in the sum that is minimised; `initial_diagnostics` is what is
    known before training. `class_weights_of_loss` are those of the classifier's cross-entropy, float32 (C,): None where
    all classes count alike.
    """

    head: Head
    loss_weights: Mapping[str, float]
    initial_diagnostics: Mapping[str, Any] = MappingProxyType({})
    class_weights_of_loss: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("class_weights_of_loss", None)

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        """All randomness of one step over `n` rows, drawn on the CPU: `loss_terms` itself draws nothing."""
        return {}

    @abstractmethod
    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        """The unweighted loss terms of a batch: scalars, named as in `loss_weights`."""

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """`loss_terms`: what torch calls when the parameters are swapped for others."""
        return self.loss_terms(batch)

    def diagnostics(self) -> dict[str, Any]:
        """What else is to be known of the training, for the run's record; plain JSON data."""
        return dict(self.initial_diagnostics)


@dataclass(frozen=True)
class TrainingSettings:
    """How a learner is trained.

    Parameters
    ----------
    optimizer : over the learner's parameters, with the learning rate of the first epoch at factor 1
    lr_factor : epoch, counted from 0 -> factor on the learning rate
    epochs, batch_size : > 0; the last batch of an epoch may be smaller
    select_by : which validation score chooses the epoch; `last` takes the last one
    balanced : draw each epoch's rows with replacement, every class equally often, instead of every row once
    updates : groups of term names, stepped one after the other on the same batch; () is one step on the weighted sum
    """

    optimizer: torch.optim.Optimizer
    lr_factor: Callable[[int], float]
    epochs: int
    batch_size: int
    select_by: SelectBy
    balanced: bool = False
    updates: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class TrainResult:
    """A head with the weights of `selected_epoch` (counted from 1), and one record per epoch.

    `ensemble_size` heads were trained as one batch of networks, this one included.
    """

    head: Head
    history: History
    selected_epoch: int
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    ensemble_size: int = 1
