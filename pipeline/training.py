"""The one training loop: epochs over features in RAM, the best epoch on the validation split is kept.

Every method brings a Learner (what is trained, and its loss terms) and a Recipe (how); the loop knows no method.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.errors import TrainingError
from pipeline.metrics import SelectBy, accuracy_score, confusion_matrix, uar_score
from pipeline.models.head import Head
from pipeline.progress import OnProgress, Progress, silent

__all__ = [
    "Learner",
    "Recipe",
    "Rows",
    "Trained",
    "TrainingData",
    "best_epoch",
    "exponential_decay",
    "train",
    "validate",
    "warmup_cosine",
]

History = list[dict[str, float]]


@dataclass(frozen=True)
class Rows:
    """One split in RAM.

    Parameters
    ----------
    features : float32, shape (V, N, D)
    labels : int64 in [0, C), shape (N,)
    """

    features: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class TrainingData:
    """The two splits that training may read; `val` has the plain view only."""

    train: Rows
    val: Rows


class Learner(nn.Module, ABC):
    """A head, and whatever else is trained with it and thrown away afterwards.

    `weights` names every loss term and its factor in the sum that is minimised.
    """

    head: Head
    weights: Mapping[str, float]

    @abstractmethod
    def terms(self, features: Tensor, labels: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """The unweighted loss terms of a batch: float32 (B, D) and int64 (B,) to scalars, named as in `weights`."""


@dataclass(frozen=True)
class Recipe:
    """How a learner is trained.

    Parameters
    ----------
    optimizer : over the learner's parameters, with the learning rate of the first epoch at factor 1
    lr_factor : epoch, counted from 0 -> factor on the learning rate
    epochs, batch_size : > 0; the last batch of an epoch may be smaller
    select_by : which validation score chooses the epoch
    balanced : draw each epoch's rows with replacement, every class equally often, instead of every row once
    threads : of torch; a light head's steps are so small that a second thread waits more than it works, and one thread
        gives the same head on machines with any number of cores
    """

    optimizer: torch.optim.Optimizer
    lr_factor: Callable[[int], float]
    epochs: int
    batch_size: int
    select_by: SelectBy
    balanced: bool = False
    threads: int = 1


@dataclass(frozen=True)
class Trained:
    """A head with the weights of `selected_epoch` (counted from 1), and one record per epoch."""

    head: Head
    history: History
    selected_epoch: int


def exponential_decay(gamma: float) -> Callable[[int], float]:
    """gamma ** epoch."""
    return lambda epoch: gamma**epoch


def warmup_cosine(epochs: int, warmup: int) -> Callable[[int], float]:
    """A linear rise to 1 over `warmup` epochs, then half a cosine that reaches 0 after `epochs`."""

    def factor(epoch: int) -> float:
        if epoch < warmup:
            return (epoch + 1) / (warmup + 1)
        return (1 + math.cos(math.pi * (epoch - warmup) / max(epochs - warmup, 1))) / 2

    return factor


def train(
    learner: Learner, data: TrainingData, recipe: Recipe, rng: torch.Generator, on_progress: OnProgress = silent
) -> Trained:
    """Train `learner`; the head gets the weights of the best epoch on the validation split.

    Parameters
    ----------
    learner : Learner
    data : TrainingData
    recipe : Recipe
    rng : torch.Generator
        Draws order, views and whatever the loss terms need.
    on_progress : called after every epoch

    Returns
    -------
    Trained
        History records hold epoch, lr, loss, one `loss_<term>` per term, val_accuracy and val_uar.

    Raises
    ------
    TrainingError
        If the loss or a validation logit is not finite; the message has the step and the loss terms.
    """
    with _threads(recipe.threads):
        return _train(learner, data, recipe, rng, on_progress)


@contextmanager
def _threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(
    learner: Learner, data: TrainingData, recipe: Recipe, rng: torch.Generator, on_progress: OnProgress
) -> Trained:
    scheduler = torch.optim.lr_scheduler.LambdaLR(recipe.optimizer, recipe.lr_factor)
    history: History = []
    weights: dict[str, Tensor] = {}
    for epoch in range(1, recipe.epochs + 1):
        record = {"epoch": float(epoch), "lr": float(scheduler.get_last_lr()[0])}
        record |= _train_epoch(learner, data.train, recipe, rng, epoch) | validate(learner.head, data.val, epoch)
        scheduler.step()
        history.append(record)
        if best_epoch(history, recipe.select_by) == epoch:
            weights = {name: value.clone() for name, value in learner.head.state_dict().items()}
        on_progress(
            Progress("train", epoch, recipe.epochs, f"val {recipe.select_by} {record[f'val_{recipe.select_by}']:.4f}")
        )
    learner.head.load_state_dict(weights)
    return Trained(learner.head.eval(), history, best_epoch(history, recipe.select_by))


def best_epoch(history: History, select_by: SelectBy) -> int:
    """The epoch, counted from 1, with the best validation score; the earliest of equals."""
    scores = [record[f"val_{select_by}"] for record in history]
    return scores.index(max(scores)) + 1


def validate(head: Head, val: Rows, epoch: int) -> dict[str, float]:
    """Accuracy and UAR on the validation rows.

    Raises
    ------
    TrainingError
        If a logit is not finite.
    """
    logits = head.predict(val.features[0].numpy())
    if not np.isfinite(logits).all():
        raise TrainingError(
            f"epoch {epoch}: expected finite validation logits, found NaN or infinity. "
            "Lower the learning rate, or look at the scale of the features"
        )
    confusion = confusion_matrix(val.labels.numpy(), logits.argmax(axis=1), len(head.spec.classes))
    return {"val_accuracy": accuracy_score(confusion), "val_uar": uar_score(confusion)}


def _train_epoch(learner: Learner, rows: Rows, recipe: Recipe, rng: torch.Generator, epoch: int) -> dict[str, float]:
    learner.train()
    order = _draw_order(rows.labels, recipe.balanced, rng)
    views = _draw_views(rows, rng)
    sums = dict.fromkeys(("loss", *(f"loss_{name}" for name in learner.weights)), 0.0)
    for step, batch in enumerate(torch.split(order, recipe.batch_size), start=1):
        features, labels = rows.features[views[batch], batch], rows.labels[batch]
        losses = _train_step(learner, features, labels, recipe.optimizer, rng)
        if not math.isfinite(losses["loss"]):
            raise TrainingError(_diverged(losses, epoch, step))
        for name, value in losses.items():
            sums[name] += value * len(batch)
    return {name: value / len(order) for name, value in sums.items()}


def _train_step(
    learner: Learner, features: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer, rng: torch.Generator
) -> dict[str, float]:
    terms = learner.terms(features, labels, rng)
    loss = torch.stack([learner.weights[name] * term for name, term in terms.items()]).sum()
    losses = {"loss": loss.item()} | {f"loss_{name}": term.item() for name, term in terms.items()}
    if math.isfinite(losses["loss"]):
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
        optimizer.step()
    return losses


def _draw_order(labels: Tensor, balanced: bool, rng: torch.Generator) -> Tensor:
    if not balanced:
        return torch.randperm(len(labels), generator=rng)
    chances = 1 / torch.bincount(labels)[labels].float()
    return torch.multinomial(chances, len(labels), replacement=True, generator=rng)


def _draw_views(rows: Rows, rng: torch.Generator) -> Tensor:
    n_views = len(rows.features)
    if n_views == 1:
        return torch.zeros(len(rows), dtype=torch.int64)
    return torch.randint(n_views, (len(rows),), generator=rng)


def _diverged(losses: Mapping[str, float], epoch: int, step: int) -> str:
    found = ", ".join(f"{name} {value:g}" for name, value in losses.items())
    return (
        f"epoch {epoch}, step {step}: expected a finite loss, found {found}. "
        "Lower the learning rate, or look at the scale of the features"
    )
