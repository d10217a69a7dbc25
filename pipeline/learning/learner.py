"""What is trained, on what, and how: a method brings a Learner and a Recipe, the loop knows no method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.learning.head import Head, Inputs
from pipeline.learning.metrics import SelectBy

__all__ = ["Batch", "History", "Learner", "Recipe", "Trained"]

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
    """

    inputs: Inputs
    labels: Tensor
    rows: Tensor
    epoch: int = 1
    noise: Mapping[str, Tensor] = field(default_factory=dict)


class Learner(nn.Module, ABC):
    """A head, and whatever else is trained with it and thrown away afterwards.

    `weights` names every loss term and its factor in the sum that is minimised; `found` is what became known before
    training.
    """

    head: Head
    weights: Mapping[str, float]
    found: Mapping[str, Any] = MappingProxyType({})

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        """All randomness of one step over `n` rows, drawn on the CPU: `terms` itself draws nothing."""
        return {}

    @abstractmethod
    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The unweighted loss terms of a batch: scalars, named as in `weights`."""

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """`terms`: what torch calls when the parameters are swapped for others."""
        return self.terms(batch)

    def findings(self) -> dict[str, Any]:
        """What else became known on the way and belongs into the run's record; plain JSON data."""
        return dict(self.found)


@dataclass(frozen=True)
class Recipe:
    """How a learner is trained.

    Parameters
    ----------
    optimizer : over the learner's parameters, with the learning rate of the first epoch at factor 1
    lr_factor : epoch, counted from 0 -> factor on the learning rate
    epochs, batch_size : > 0; the last batch of an epoch may be smaller
    select_by : which validation score chooses the epoch; `last` takes the last one
    balanced : draw each epoch's rows with replacement, every class equally often, instead of every row once
    threads : of torch, None for all; a light head's steps are so small that a second thread waits more than it works,
        and one thread gives the same head on machines with any number of cores
    updates : groups of term names, stepped one after the other on the same batch; () is one step on the weighted sum
    """

    optimizer: torch.optim.Optimizer
    lr_factor: Callable[[int], float]
    epochs: int
    batch_size: int
    select_by: SelectBy
    balanced: bool = False
    threads: int | None = 1
    updates: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Trained:
    """A head with the weights of `selected_epoch` (counted from 1), and one record per epoch.

    `together` heads were trained as one batch of networks, this one included.
    """

    head: Head
    history: History
    selected_epoch: int
    findings: Mapping[str, Any] = field(default_factory=dict)
    together: int = 1
