"""Epochs over a train split; the best epoch on the validation split is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import TrainingError
from pipeline.learning.engines import Engine, Losses, engine_for
from pipeline.learning.head import Head
from pipeline.learning.learner import Batch, History, Learner, Recipe, Trained
from pipeline.learning.metrics import SelectBy, accuracy_score, confusion_matrix, shown_score, uar_score
from pipeline.learning.split_loader import Rows, TrainingData
from pipeline.progress import OnProgress, Progress, silent

__all__ = ["best_epoch", "train", "train_together", "validate"]


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
    trained = train_together([learner], data, recipe, [rng], on_progress)[0]
    if isinstance(trained, TrainingError):
        raise trained
    return trained


def train_together(
    learners: Sequence[Learner],
    data: TrainingData,
    recipe: Recipe,
    rngs: Sequence[torch.Generator],
    on_progress: OnProgress = silent,
) -> list[Trained | TrainingError]:
    """`train` for several learners of one architecture, as one batch of networks: equal to each alone within rounding.

    A learner whose numbers stop being finite leaves the others as they are: in its place is the error.

    Parameters
    ----------
    learners : S that differ in their values and in the factors of their terms only
    recipe : the first one's; the optimizer of the others is not used
    rngs : S, one for each learner
    """
    with _threads(recipe.threads):
        return _Loop(engine_for(learners, recipe), data, recipe, rngs).run(on_progress)


@contextmanager
def _threads(n: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Loop:
    """One pass of training: what is kept of every learner from epoch to epoch."""

    def __init__(self, engine: Engine, data: TrainingData, recipe: Recipe, rngs: Sequence[torch.Generator]) -> None:
        self.engine, self.data, self.recipe, self.rngs = engine, data, recipe, rngs
        self.histories: list[History] = [[] for _ in engine.learners]
        self.weights: list[dict[str, Tensor]] = [{} for _ in engine.learners]
        self.failures: dict[int, TrainingError] = {}

    @property
    def alive(self) -> list[int]:
        """Learners whose numbers are all finite so far."""
        return [i for i in range(len(self.engine.learners)) if i not in self.failures]

    def run(self, on_progress: OnProgress) -> list[Trained | TrainingError]:
        recipe = self.recipe
        scheduler = torch.optim.lr_scheduler.LambdaLR(self.engine.optimizer, recipe.lr_factor)
        for epoch in range(1, recipe.epochs + 1):
            lr = float(scheduler.get_last_lr()[0])
            losses = self._epoch(epoch)
            scheduler.step()
            self.engine.hand_back()
            for i in self.alive:
                self._validate(i, {"epoch": float(epoch), "lr": lr} | losses[i])
            if not self.alive:
                break
            on_progress(Progress("train", epoch, recipe.epochs, self._note()))
        learners = enumerate(self.engine.learners)
        return [self.failures[i] if i in self.failures else self._trained(i, learner) for i, learner in learners]

    def _validate(self, i: int, record: dict[str, float]) -> None:
        try:
            scores = validate(self.engine.learners[i].head, self.data.val, int(record["epoch"]))
        except TrainingError as error:
            self.failures[i] = error
        else:
            self._keep(i, record | scores)

    def _keep(self, i: int, record: dict[str, float]) -> None:
        self.histories[i].append(record)
        if best_epoch(self.histories[i], self.recipe.select_by) == record["epoch"]:
            state = self.engine.learners[i].head.state_dict()
            self.weights[i] = {name: value.clone() for name, value in state.items()}

    def _note(self) -> str:
        metric = shown_score(self.recipe.select_by)
        scores = [self.histories[i][-1][f"val_{metric}"] for i in self.alive]
        if len(scores) == 1:
            return f"val {metric} {scores[0]:.4f}"
        return f"{len(scores)} heads, val {metric} {min(scores):.4f} to {max(scores):.4f}"

    def _trained(self, i: int, learner: Learner) -> Trained:
        learner.head.load_state_dict(self.weights[i])
        history = self.histories[i]
        selected = best_epoch(history, self.recipe.select_by)
        return Trained(learner.head.eval(), history, selected, learner.findings(), len(self.histories))

    def _epoch(self, epoch: int) -> list[Losses]:
        """The mean losses of an epoch, per learner; of one that fails, up to there."""
        rows, learners = self.data.train, self.engine.learners
        for learner in learners:
            learner.train()
        orders = torch.stack([_draw_order(rows.labels, self.recipe.balanced, rng) for rng in self.rngs])  # (S, N)
        views = torch.stack([_draw_views(rows, rng) for rng in self.rngs])
        sums: list[Losses] = [{} for _ in learners]
        for step, start in enumerate(range(0, len(rows), self.recipe.batch_size), start=1):
            chosen = orders[:, start : start + self.recipe.batch_size]
            losses = self.engine.step(self._batch(chosen, views.gather(1, chosen), epoch))
            for i in self.alive:
                if not math.isfinite(losses[i]["loss"]):
                    self.failures[i] = _not_finite(losses[i], epoch, step)
                for name, value in losses[i].items():
                    sums[i][name] = sums[i].get(name, 0.0) + value * chosen.shape[1]
            if not self.alive:
                break
        return [{name: value / len(rows) for name, value in total.items()} for total in sums]

    def _batch(self, chosen: Tensor, views: Tensor, epoch: int) -> Batch:
        """The rows that each learner has drawn, int64 (S, B), as a batch whose tensors begin with S."""
        rows, learners = self.data.train, self.engine.learners
        device = next(learners[0].parameters()).device
        taken = rows.take(chosen.flatten(), views.flatten())
        noises = [learner.draw(chosen.shape[1], rng) for learner, rng in zip(learners, self.rngs, strict=True)]
        return Batch(
            {name: values.view(*chosen.shape, *values.shape[1:]).to(device) for name, values in taken.items()},
            rows.labels[chosen].to(device),
            chosen.to(device),
            epoch,
            {name: torch.stack([noise[name] for noise in noises]).to(device) for name in noises[0]},
        )


def best_epoch(history: History, select_by: SelectBy) -> int:
    """The epoch, counted from 1, with the best validation score, the earliest of equals; or the last one."""
    if select_by == "last":
        return len(history)
    scores = [record[f"val_{select_by}"] for record in history]
    return scores.index(max(scores)) + 1


def validate(head: Head, val: Rows, epoch: int) -> dict[str, float]:
    """Accuracy and UAR on the validation rows.

    Raises
    ------
    TrainingError
        If a logit is not finite.
    """
    logits = head.predict(val.plain)
    if not np.isfinite(logits).all():
        raise TrainingError(
            f"epoch {epoch}: expected finite validation logits, found NaN or infinity. "
            "Lower the learning rate, or look at the scale of the features"
        )
    confusion = confusion_matrix(val.labels.numpy(), logits.argmax(axis=1), len(head.spec.classes))
    return {"val_accuracy": accuracy_score(confusion), "val_uar": uar_score(confusion)}


def _draw_order(labels: Tensor, balanced: bool, rng: torch.Generator) -> Tensor:
    if not balanced:
        return torch.randperm(len(labels), generator=rng)
    chances = 1 / torch.bincount(labels)[labels].float()
    return torch.multinomial(chances, len(labels), replacement=True, generator=rng)


def _draw_views(rows: Rows, rng: torch.Generator) -> Tensor:
    if rows.n_views == 1:
        return torch.zeros(len(rows), dtype=torch.int64)
    return torch.randint(rows.n_views, (len(rows),), generator=rng)


def _not_finite(losses: Mapping[str, float], epoch: int, step: int) -> TrainingError:
    found = ", ".join(f"{name} {value:g}" for name, value in losses.items())
    return TrainingError(
        f"epoch {epoch}, step {step}: expected a finite loss, found {found}. "
        "Lower the learning rate, or look at the scale of the features"
    )
