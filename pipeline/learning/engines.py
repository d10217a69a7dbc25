"""How learners take a step: one, or an ensemble of one architecture as one batch of networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from pipeline.learning.learner import Batch, Learner, TrainingSettings

__all__ = ["Engine", "EnsembleEngine", "SingleEngine", "convolutions_in", "engine_for"]

Losses = dict[str, float]


class Engine(Protocol):
    """Some learners and the optimizer of their parameters."""

    @property
    def learners(self) -> Sequence[Learner]: ...

    @property
    def optimizer(self) -> torch.optim.Optimizer: ...

    def step(self, batch: Batch) -> list[Losses]:
        """One update; per learner `loss` and every `loss_<term>`, of the parameters before it.

        All tensors of `batch` begin with S, one part for each learner: inputs (S, B, *row_shape), labels (S, B).
        A learner whose loss is not finite must not be used any more; the others take their step as without it.
        """

    def sync_learners(self) -> None:
        """Bring the learners' own parameters up to date."""


def engine_for(learners: Sequence[Learner], settings: TrainingSettings) -> Engine:
    """The engine for one learner, or for several."""
    return SingleEngine(learners[0], settings) if len(learners) == 1 else EnsembleEngine(learners, settings)


class SingleEngine:
    """One learner, stepped as its settings say."""

    def __init__(self, learner: Learner, settings: TrainingSettings) -> None:
        self.learners = (learner,)
        self.learner = learner
        if next(learner.parameters()).device.type == "cpu":
            convolutions_in(learner, torch.channels_last)
        self.optimizer = settings.optimizer
        self.updates = settings.updates or (tuple(learner.loss_weights),)

    def step(self, batch: Batch) -> list[Losses]:
        losses: Losses = {}
        for names in self.updates:
            terms = self.learner.loss_terms(_first(batch))
            loss = self._sum(terms, names)
            if not losses:  # what is reported is of the parameters that the step began with
                losses = _losses(loss if names == tuple(terms) else self._sum(terms, tuple(terms)), terms)
            if not math.isfinite(losses["loss"]):
                break
            _clear_gradients(self.optimizer)
            loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
            self.optimizer.step()
        return [losses]

    def _sum(self, terms: dict[str, Tensor], names: tuple[str, ...]) -> Tensor:
        weights = self.learner.loss_weights
        weighted = [terms[name] if weights[name] == 1 else weights[name] * terms[name] for name in names]
        return reduce(torch.add, weighted)

    def sync_learners(self) -> None:
        """Nothing to do: the optimizer steps the learner's own parameters."""


def convolutions_in(module: nn.Module, memory_format: torch.memory_format) -> None:
    """Lay the weights of all convolutions out in this order; their values and shapes stay.

    With weights in `channels_last` oneDNN reads and writes maps as they are, where it else copies each one into a
    format of its own and back. Pixels lie channels last, too.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.to(memory_format=memory_format)


def _first(batch: Batch) -> Batch:
    inputs, noise = ({name: values[0] for name, values in part.items()} for part in (batch.inputs, batch.noise))
    soft = None if batch.soft_labels is None else batch.soft_labels[0]
    return Batch(inputs, batch.labels[0], batch.rows[0], batch.epoch, noise, soft)


def _clear_gradients(optimizer: torch.optim.Optimizer) -> None:
    """`optimizer.zero_grad()` without its profiling, which takes a fiftieth of the step of a small head."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def _losses(loss: Tensor, terms: dict[str, Tensor]) -> Losses:
    return {"loss": loss.item()} | {f"loss_{name}": term.item() for name, term in terms.items()}


class EnsembleEngine:
    """Learners that differ in their values and in the weights of their loss terms only, as one batch of networks.

    The optimizer of `settings` steps the stacked parameters: Adam and SGD work on each number by itself, so that
    every learner takes the step that it would take alone, within rounding.

    Parameters
    ----------
    learners : S of one architecture
    settings : of the first learner; the others' must be equal
    """

    def __init__(self, learners: Sequence[Learner], settings: TrainingSettings) -> None:
        self.learners = tuple(learners)
        self.parameters, self.buffers = stack_module_state(list(learners))  # name -> (S, ...)
        self.optimizer = settings.optimizer
        names = {id(value): name for name, value in learners[0].named_parameters()}
        for group in self.optimizer.param_groups:
            group["params"] = [self.parameters[names[id(value)]] for value in group["params"]]
        device = next(learners[0].parameters()).device
        self.loss_weights = {
            name: torch.tensor([learner.loss_weights[name] for learner in learners], device=device)
            for name in learners[0].loss_weights
        }

    def step(self, batch: Batch) -> list[Losses]:
        others = {"noise": batch.noise} | ({} if batch.soft_labels is None else {"soft_labels": batch.soft_labels})
        terms = torch.vmap(self._terms_of(batch.epoch))(
            self.parameters, self.buffers, batch.inputs, batch.labels, batch.rows, others
        )
        loss = torch.stack([self.loss_weights[name] * values for name, values in terms.items()]).sum(dim=0)  # (S,)
        if loss.isfinite().any():
            _clear_gradients(self.optimizer)  # no number of a learner enters another's gradient, NaN included
            loss.sum().backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
            self.optimizer.step()
        columns = {"loss": loss.tolist()} | {f"loss_{name}": values.tolist() for name, values in terms.items()}
        return [{name: values[i] for name, values in columns.items()} for i in range(len(self.learners))]

    def _terms_of(self, epoch: int):  # type: ignore[no-untyped-def]  # vmap has no types either
        template = self.learners[0]

        def terms(parameters, buffers, inputs, labels, rows, others):  # type: ignore[no-untyped-def]
            batch = Batch(inputs, labels, rows, epoch, **others)
            return functional_call(template, (parameters, buffers), (batch,))

        return terms

    @torch.no_grad()
    def sync_learners(self) -> None:
        for i, learner in enumerate(self.learners):
            for name, value in learner.named_parameters():
                value.copy_(self.parameters[name][i])
