"""Epochs over a train split; the best epoch on the validation split is selected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import TrainingError
from pipeline.heap import keep_freed_memory
from pipeline.learning.concurrency import raise_if_stopped
from pipeline.learning.engines import Engine, Losses, convolutions_in, engine_for
from pipeline.learning.head import Head
from pipeline.learning.learner import Batch, History, Learner, TrainingSettings, TrainResult
from pipeline.learning.metrics import METRICS, confusion_matrix
from pipeline.learning.options import SelectBy
from pipeline.learning.rows import Rows, TrainingData
from pipeline.progress import OnProgress, Progress, silent

__all__ = ["best_epoch", "progress_metric", "train", "train_ensemble", "validate"]

_GATHERED_BYTES = 4_000_000  # of rows that are taken from a split together: several batches of features, one of pixels


def train(
    learner: Learner,
    data: TrainingData,
    settings: TrainingSettings,
    rng: torch.Generator,
    on_progress: OnProgress = silent,
) -> TrainResult:
    """Train `learner`; the head gets the weights of the best epoch on the validation split.

    Parameters
    ----------
    learner : Learner
    data : TrainingData
    settings : TrainingSettings
    rng : torch.Generator
        Draws order, views and whatever the loss terms need.
    on_progress : called after every epoch

    Returns
    -------
    TrainResult
        History records hold epoch, lr, loss, one `loss_<term>` per term and one `val_<metric>` per metric.

    Raises
    ------
    TrainingError
        If the loss or a validation logit is not finite; the message has the step and the loss terms.
    """
    trained = train_ensemble([learner], data, settings, [rng], on_progress)[0]
    if isinstance(trained, TrainingError):
        raise trained
    return trained


def train_ensemble(
    learners: Sequence[Learner],
    data: TrainingData,
    settings: TrainingSettings,
    rngs: Sequence[torch.Generator],
    on_progress: OnProgress = silent,
) -> list[TrainResult | TrainingError]:
    """`train` for several learners of one architecture, as one batch of networks: equal to each alone within rounding.

    A learner whose numbers stop being finite leaves the others as they are: in its place is the error.

    Parameters
    ----------
    learners : S that differ in their values and in the weights of their loss terms only
    settings : the first one's; the optimizer of the others is not used
    rngs : S, one for each learner
    """
    keep_freed_memory()
    return _Loop(engine_for(learners, settings), data, settings, rngs).run(on_progress)


class _Loop:
    """One pass of training: the history and the best weights of every learner."""

    def __init__(
        self, engine: Engine, data: TrainingData, settings: TrainingSettings, rngs: Sequence[torch.Generator]
    ) -> None:
        self.engine, self.data, self.settings, self.rngs = engine, data, settings, rngs
        self.histories: list[History] = [[] for _ in engine.learners]
        self.best_states: list[dict[str, Tensor]] = [{} for _ in engine.learners]
        self.failures: dict[int, TrainingError] = {}
        self.device = next(engine.learners[0].parameters()).device

    @property
    def active(self) -> list[int]:
        """Learners whose numbers are all finite so far."""
        return [i for i in range(len(self.engine.learners)) if i not in self.failures]

    def run(self, on_progress: OnProgress) -> list[TrainResult | TrainingError]:
        settings = self.settings
        scheduler = torch.optim.lr_scheduler.LambdaLR(self.engine.optimizer, settings.lr_factor)
        for epoch in range(1, settings.epochs + 1):
            lr = float(scheduler.get_last_lr()[0])
            losses = self._epoch(epoch)
            scheduler.step()
            self.engine.sync_learners()
            for i in self.active:
                self._validate(i, {"epoch": float(epoch), "lr": lr} | losses[i])
            if not self.active:
                break
            on_progress(Progress("train", epoch, settings.epochs, self._note()))
        learners = enumerate(self.engine.learners)
        return [self.failures[i] if i in self.failures else self._result(i, learner) for i, learner in learners]

    def _validate(self, i: int, record: dict[str, float]) -> None:
        try:
            scores = validate(self.engine.learners[i].head, self.data.val, int(record["epoch"]))
        except TrainingError as error:
            self.failures[i] = error
        else:
            self._record(i, record | scores)

    def _record(self, i: int, record: dict[str, float]) -> None:
        self.histories[i].append(record)
        if best_epoch(self.histories[i], self.settings.select_by) == record["epoch"]:
            state = self.engine.learners[i].head.state_dict()
            self.best_states[i] = {name: value.clone() for name, value in state.items()}

    def _note(self) -> str:
        metric = progress_metric(self.settings.select_by)
        scores = [self.histories[i][-1][f"val_{metric}"] for i in self.active]
        if len(scores) == 1:
            return f"val {metric} {scores[0]:.4f}"
        return f"{len(scores)} heads, val {metric} {min(scores):.4f} to {max(scores):.4f}"

    def _result(self, i: int, learner: Learner) -> TrainResult:
        convolutions_in(learner.head, torch.contiguous_format)  # as files have them
        learner.head.load_state_dict(self.best_states[i])
        history = self.histories[i]
        selected = best_epoch(history, self.settings.select_by)
        return TrainResult(learner.head.eval(), history, selected, learner.diagnostics(), len(self.histories))

    def _epoch(self, epoch: int) -> list[Losses]:
        """The mean losses of an epoch, per learner; of one that fails, up to there."""
        n_rows, learners = len(self.data.train), self.engine.learners
        for learner in learners:
            learner.train()
        sums: list[Losses] = [{} for _ in learners]
        for step, batch in enumerate(self._batches(epoch), start=1):
            raise_if_stopped()  # an epoch of an image network may take minutes
            losses = self.engine.step(batch)
            for i in self.active:
                if not math.isfinite(losses[i]["loss"]):
                    self.failures[i] = _not_finite(losses[i], epoch, step)
                for name, value in losses[i].items():
                    sums[i][name] = sums[i].get(name, 0.0) + value * batch.labels.shape[1]
            if not self.active:
                break
        return [{name: value / n_rows for name, value in total.items()} for total in sums]

    def _batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, in a random order of each learner's own; their tensors begin with S."""
        rows, size = self.data.train, self.settings.batch_size
        orders = torch.stack([_draw_order(rows.labels, self.settings.balanced, rng) for rng in self.rngs])  # (S, N)
        drawn = torch.stack([rows.draw(rng)[order] for rng, order in zip(self.rngs, orders, strict=True)])  # (S, N, K)
        stride = size * max(1, _GATHERED_BYTES // (len(self.rngs) * size * rows.row_bytes))
        for start in range(0, len(rows), stride):
            part = slice(start, start + stride)
            parts = (torch.split(values[:, part], size, dim=1) for values in (orders, drawn))
            for chosen, taken in _gathered(rows, *parts):
                yield self._batch(chosen, taken, epoch)

    def _batch(self, chosen: Tensor, inputs: Mapping[str, Tensor], epoch: int) -> Batch:
        """The rows that each learner has drawn, int64 (S, B), as a batch."""
        learners, device = self.engine.learners, self.device
        noises = [learner.draw(chosen.shape[1], rng) for learner, rng in zip(learners, self.rngs, strict=True)]
        return Batch(
            {name: values.to(device) for name, values in inputs.items()},
            self.data.train.labels[chosen].to(device),
            chosen.to(device),
            epoch,
            {name: _stacked([noise[name] for noise in noises]).to(device) for name in noises[0]},
            None if (soft := self.data.train.soft_labels) is None else soft[chosen].to(device),
        )


def _gathered(
    rows: Rows, parts: Sequence[Tensor], drawn: Sequence[Tensor]
) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Rows of several batches, int64 (S, B) each, and what they hold, output -> (S, B, *row_shape): taken at once.

    Parameters
    ----------
    drawn : of the same rows what `Rows.draw` gave, int64 (S, B, K)
    """
    taken = rows.take(torch.cat([part.flatten() for part in parts]), torch.cat([d.flatten(0, 1) for d in drawn]))
    split = {name: torch.split(values, [part.numel() for part in parts]) for name, values in taken.items()}
    for i, part in enumerate(parts):
        yield part, {name: values[i].view(*part.shape, *values[i].shape[1:]) for name, values in split.items()}


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """`torch.stack`, which copies, without a copy of a single one."""
    return tensors[0][None] if len(tensors) == 1 else torch.stack(list(tensors))


def best_epoch(history: History, select_by: SelectBy) -> int:
    """The epoch, counted from 1, with the best validation score, the earliest of equals; or the last one."""
    if select_by == "last":
        return len(history)
    ranks = [METRICS[select_by].rank(record[f"val_{select_by}"]) for record in history]
    return ranks.index(max(ranks)) + 1


def progress_metric(select_by: SelectBy) -> str:
    """The metric that progress shows: the one that selects the epoch, else the main one."""
    return select_by if select_by in METRICS else next(iter(METRICS))


def validate(head: Head, val: Rows, epoch: int) -> dict[str, float]:
    """Every score of `METRICS` on the validation rows, as columns of the history.

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
    return {f"val_{name}": metric.score(confusion) for name, metric in METRICS.items()}


def _draw_order(labels: Tensor, balanced: bool, rng: torch.Generator) -> Tensor:
    if not balanced:
        return torch.randperm(len(labels), generator=rng)
    chances = 1 / torch.bincount(labels)[labels].float()
    return torch.multinomial(chances, len(labels), replacement=True, generator=rng)


def _not_finite(losses: Mapping[str, float], epoch: int, step: int) -> TrainingError:
    found = ", ".join(f"{name} {value:g}" for name, value in losses.items())
    return TrainingError(
        f"epoch {epoch}, step {step}: expected a finite loss, found {found}. "
        "Lower the learning rate, or look at the scale of the features"
    )
