"""linear-probe: logistic regression on the feature, C chosen on the validation split.

First every second power of ten, from strong penalties to weak ones, until scores fall: weak penalties take by far the
most steps. Then ever smaller steps around the best one. All views of a row count as rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pipeline.errors import ConfigError
from pipeline.learning.learner import History, TrainResult
from pipeline.learning.loop import best_epoch, validate
from pipeline.learning.method import Method
from pipeline.learning.metrics import METRICS
from pipeline.learning.task import TrainingTask, cross_entropy_weights, train_separately
from pipeline.methods.probe.heads import LinearHead
from pipeline.methods.probe.logistic import LogisticRegression
from pipeline.methods.probe.options import LinearProbeConfig
from pipeline.progress import Progress

__all__ = ["has_fallen"]

_COARSE_STEP = 2  # powers of ten


class _Search:
    """The C's tried so far, each a record in the history; the head holds the best one's weights."""

    def __init__(self, task: TrainingTask, config: LinearProbeConfig) -> None:
        self.task, self.config = task, config
        self.head = LinearHead(task.spec(LinearHead, config.feature_scale, {}))
        task.initialize(self.head)
        self.history: History = []
        train = task.data.train
        features = self.head.scale(train.features().to(task.device))
        labels = train.labels.repeat(train.n_views).to(task.device)
        weights = cross_entropy_weights(task, config)
        self.problem = LogisticRegression(features, labels, len(task.classes), weights)
        self.weights: dict[str, torch.Tensor] = {}

    @property
    def best_log10_c(self) -> float:
        return self.history[best_epoch(self.history, self.config.select_by) - 1]["log10_c"]

    @property
    def ranks(self) -> list[float]:
        """Of the scores so far: the higher, the better."""
        name = self.config.select_by
        return [METRICS[name].rank(record[f"val_{name}"]) for record in self.history]

    def try_c(self, log10_c: float) -> None:
        if any(record["log10_c"] == log10_c for record in self.history):
            return
        weight, bias, loss = self.problem.solve(10.0**log10_c, self.config.max_iterations)
        with torch.no_grad():
            self.head.classifier.weight.copy_(weight)
            self.head.classifier.bias.copy_(bias)
        step = len(self.history) + 1
        scores = validate(self.head, self.task.data.val, step)
        self.history.append({"epoch": float(step), "log10_c": log10_c, "loss": loss} | scores)
        if best_epoch(self.history, self.config.select_by) == step:
            self.weights = {name: value.clone() for name, value in self.head.state_dict().items()}
        self.task.on_progress(Progress("train", step, 0, f"C = 10 ** {log10_c:g}"))


def has_fallen(scores: Sequence[float], patience: int) -> bool:
    """Whether the last scores, as many as `patience`, are all below the best before them."""
    last = scores[-patience:]
    return len(last) == patience and max(last) < max(scores)


def _train(task: TrainingTask, config: LinearProbeConfig) -> TrainResult:
    _check(config)
    low, high = config.min_log10_c, config.max_log10_c
    search = _Search(task, config)
    for power in range(low, high + 1, _COARSE_STEP):
        search.try_c(float(power))
        if has_fallen(search.ranks, config.patience):
            break
    step = float(_COARSE_STEP)
    for _ in range(config.refinements):
        step /= 2
        centre = search.best_log10_c
        for log10_c in (centre - step, centre + step):
            if low <= log10_c <= high:
                search.try_c(log10_c)
    search.head.load_state_dict(search.weights)
    return TrainResult(search.head.eval(), search.history, best_epoch(search.history, config.select_by))


def _check(config: LinearProbeConfig) -> None:
    low, high = config.min_log10_c, config.max_log10_c
    if low > high:
        raise ConfigError(f"linear-probe: expected min_log10_c <= max_log10_c, found {low} > {high}. Swap them")
    if config.select_by == "last":
        raise ConfigError(
            f"linear-probe: expected select_by {' or '.join(METRICS)}, which chooses C, found last: the C that was "
            f"tried last is no better than another. Use {next(iter(METRICS))}"
        )


LINEAR_PROBE = Method(LinearProbeConfig, train_separately(_train))
