"""temporal-attention and temporal-transformer: the cross-entropy of a head on frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.learning.learner import Batch, Learner, TrainingSettings
from pipeline.learning.method import Method
from pipeline.learning.optimizers import adam_settings, exponential_decay, sgd_settings, step_decay
from pipeline.learning.task import TrainingTask, train_by_loop
from pipeline.methods.temporal.heads import TemporalAttentionHead, TemporalHead, TemporalTransformerHead
from pipeline.methods.temporal.options import TemporalAttentionConfig, TemporalTransformerConfig

__all__ = ["TemporalLearner"]


class TemporalLearner(Learner):
    """One term, cls: the cross-entropy.

    Parameters
    ----------
    head : with its initial weights
    dropout : rate in [0, 1)
    """

    def __init__(self, head: TemporalHead, dropout: float) -> None:
        super().__init__()
        self.head: TemporalHead = head
        self.dropout = dropout
        self.loss_weights = {"cls": 1.0}

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        return self.head.dropout_factors(n, self.dropout, rng) if self.dropout else {}

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.head.classify(batch.inputs, batch.noise)
        return {"cls": functional.cross_entropy(logits, batch.targets, self.class_weights_of_loss)}


def _learner(
    head_class: type[TemporalHead], task: TrainingTask, config: TemporalAttentionConfig | TemporalTransformerConfig
) -> TemporalLearner:
    head = head_class(task.spec(head_class, config.feature_scale, config.head_options, config.reads))
    task.initialize(head)
    return TemporalLearner(head, config.dropout).to(task.device)


def _prepare_attention(task: TrainingTask, config: TemporalAttentionConfig) -> tuple[Learner, TrainingSettings]:
    learner = _learner(TemporalAttentionHead, task, config)
    return learner, adam_settings(learner, config)


TEMPORAL_ATTENTION = Method(TemporalAttentionConfig, train_by_loop(_prepare_attention))


def _prepare_transformer(task: TrainingTask, config: TemporalTransformerConfig) -> tuple[Learner, TrainingSettings]:
    learner = _learner(TemporalTransformerHead, task, config)
    if config.optimizer == "sgd":
        return learner, sgd_settings(learner, config, _lr_factor(config))
    return learner, replace(adam_settings(learner, config), lr_factor=_lr_factor(config))


def _lr_factor(config: TemporalTransformerConfig) -> Callable[[int], float]:
    return (
        step_decay(config.epochs, config.lr_decay) if config.schedule == "steps" else exponential_decay(config.lr_decay)
    )


TEMPORAL_TRANSFORMER = Method(TemporalTransformerConfig, train_by_loop(_prepare_transformer))
